"""Questions of a worker to its master, before and during a test: the time of its clock, and files."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import AsyncResult

from harness.clock import monotonic_ns
from harness.errors import RunError
from harness.measure.load.clock_offset import SAME, ClockExchange, ClockOffset, clock_id, offset_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust.runners import MasterRunner, WorkerRunner

ASK = "sweepspot_ask"  # to the master: {"number", "what": "clock" or "file", "path"}
ANSWER = "sweepspot_answer"  # back: {"number", "master_ns", "clock_id", "data"}
FIRST_EXCHANGES = 8
INTERVAL_S = 5.0
KEPT = 32
PATIENCE_S = 10.0


class KnownMaster:
    """A worker's side: it asks for the time again and again, and fetches files."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._exchanges: deque[ClockExchange] = deque(maxlen=KEPT)
        self._waiting: dict[int, AsyncResult] = {}
        self._number = 0
        self._same_clock = False
        runner.register_message(ANSWER, self._on_answer)
        gevent.spawn(self._ask_the_time)

    @property
    def clock(self) -> ClockOffset | None:
        """The offset from this machine's clock to the master's; None while the master has not replied."""
        return SAME if self._same_clock else offset_of(self._exchanges)

    def fetch(self, path: str, copy: Path) -> None:
        """Write the content of the master's file into `copy`. Raises RunError where the master does not send it."""
        answer = self._ask({"what": "file", "path": path})
        if answer is None or not isinstance(answer.get("data"), bytes):
            raise RunError(f"{path}: the master did not send this file")
        copy.write_bytes(answer["data"])

    def _ask_the_time(self) -> None:
        for _ in range(FIRST_EXCHANGES):
            self._exchange()
            gevent.sleep(0.01)
        while not self._same_clock:
            gevent.sleep(INTERVAL_S)
            self._exchange()

    def _exchange(self) -> None:
        asked_ns = monotonic_ns()
        answer = self._ask({"what": "clock"})
        if answer is not None:
            exchange = ClockExchange(asked_ns=asked_ns, theirs_ns=answer["master_ns"], answered_ns=answer["ns"])
            self._exchanges.append(exchange)
            self._same_clock = bool(answer["clock_id"]) and answer["clock_id"] == clock_id()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        self._number += 1
        result = self._waiting[self._number] = AsyncResult()
        self._runner.send_message(ASK, {**question, "number": self._number, "clock_id": clock_id()})
        try:
            answer: dict[str, Any] = result.get(timeout=PATIENCE_S)
        except gevent.Timeout:
            return None
        return answer

    def _on_answer(self, environment: Any, msg: Any, **_: Any) -> None:
        del environment
        result = self._waiting.pop(msg.data["number"], None)
        if result is not None:
            result.set({**msg.data, "ns": monotonic_ns()})


class KnownWorkers:
    """The master's side: it replies, and learns whether all workers are on this machine."""

    def __init__(self, runner: MasterRunner) -> None:
        self.on_this_machine = True
        self._runner = runner
        self._files: set[str] = set()
        runner.register_message(ASK, self._on_ask)

    def offer(self, paths: Iterable[str]) -> None:
        """Let workers fetch these files from now on, and no others."""
        self._files = set(paths)

    def _on_ask(self, environment: Any, msg: Any, **_: Any) -> None:
        del environment
        asked = msg.data
        self.on_this_machine &= asked["clock_id"] == clock_id()
        data = None
        if asked["what"] == "file" and asked["path"] in self._files:
            data = Path(asked["path"]).read_bytes()
        answer = {"number": asked["number"], "master_ns": monotonic_ns(), "clock_id": clock_id(), "data": data}
        self._runner.send_message(ANSWER, answer, client_id=msg.node_id)


def local_copies(paths: Iterable[str], master: KnownMaster, folder: Path) -> dict[str, str]:
    """Copies of the master's files in `folder`, by path. No path of the master is opened here. Raises RunError.

    A copy keeps the suffix of the name, which identifies its format.
    """
    copies = {path: folder / f"{number}{Path(path).suffix}" for number, path in enumerate(paths)}
    for path, copy in copies.items():
        master.fetch(path, copy)
    return {path: str(copy) for path, copy in copies.items()}
