"""What the batcher tells its policy."""

from __future__ import annotations

from types import SimpleNamespace

from harness.clock import NS_PER_MS, monotonic_ns
from targets.batching.queue import BatchQueue
from targets.servers.batched import BatchedBackend
from targets.servers.compute import Batch, Compute
from targets.servers.model_call import BatchResult
from targets.servers.protocols.protocol import ProtocolLayer
from targets.servers.protocols.wire_model import WireModel
from targets.servers.telemetry import Telemetry


class Observing:
    """A policy that never waits and remembers what it learns."""

    def __init__(self):
        self.observed = []

    def due_ns(self, oldest_ns, rows):
        del rows
        return oldest_ns

    def observe(self, rows, batch_ns):
        self.observed.append((rows, batch_ns))


class Preprocessing(Compute):
    """A batch takes a millisecond, nearly all of it before the model is called."""

    def start(self, loop, finish, on_free):
        self._finish = finish

    def free(self):
        return True

    def run(self, batch: Batch):
        while monotonic_ns() < batch.taken_ns + NS_PER_MS:
            pass
        done = BatchResult([(b"", b"")], 3, NS_PER_MS, (1,), 0, b"")
        self.least_ns = monotonic_ns() - batch.taken_ns
        self._finish(batch, done)


def test_the_policy_learns_the_whole_time_of_a_batch(meta, card):
    policy, compute = Observing(), Preprocessing()
    backend = BatchedBackend(ProtocolLayer(WireModel(meta, card), Telemetry()), compute, BatchQueue(policy, 8, 8))
    soon = []
    backend._loop = SimpleNamespace(call_soon=soon.append)
    compute.start(None, backend._finish, None)
    item = SimpleNamespace(rows=3, request=SimpleNamespace(spent_ns={}), deliver=lambda *_: None)
    assert backend.offer(item, None)
    soon.pop()()
    ((rows, batch_ns),) = policy.observed
    assert rows == 3
    assert batch_ns >= compute.least_ns >= NS_PER_MS
