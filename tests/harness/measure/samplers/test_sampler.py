from manual_clock import ManualClock

from harness.measure.samplers.reading import Reading
from harness.measure.samplers.sampler import Sampler, run
from harness.measure.samplers.ticks import Tick, Timer
from harness.record.samples import SampleWriter, read_samples


class Slow:
    """A reader that takes 30 ns on the manual clock."""

    def __init__(self, clock):
        self.clock = clock

    def read(self, now_ns):
        self.clock.advance_ns(30)
        return [Reading("machine", "steal_s", now_ns / 100)]


def test_a_sample_has_the_instant_and_lateness_of_its_own_reader():
    clock = ManualClock(1040)
    first, second, own = Sampler(clock, [Slow(clock), Slow(clock)]).samples(Tick(1000, 40, 0))
    assert (first.t_ns, first.late_ns, first.value) == (1040, 40, 10.40)
    assert (second.t_ns, second.late_ns, second.value) == (1070, 70, 10.70)
    assert (own.source, own.metric, own.t_ns) == ("sampler", "cpu_s", 1100)
    assert own.value > 0


def test_skipped_ticks_are_said_only_where_there_were_any():
    sampler = Sampler(ManualClock(), [])
    assert [s.metric for s in sampler.samples(Tick(0, 0, 0))] == ["cpu_s"]
    assert [(s.metric, s.value) for s in sampler.samples(Tick(0, 0, 3))][1:] == [("skipped", 3.0)]
    assert [s.metric for s in sampler.samples(Tick(0, 0, 0))] == ["cpu_s"]


def test_ready_comes_after_the_first_samples_are_on_disk_and_the_end_after_the_last(tmp_path):
    path = tmp_path / "samples.arrow"
    clock = ManualClock()
    rows_when_ready = []
    with SampleWriter(path) as writer:
        run(
            Sampler(clock, [Slow(clock)]),
            Timer(clock, 100),
            writer,
            stopped=lambda: clock.now_ns() >= 400,
            ready=lambda: rows_when_ready.append(read_samples(path).num_rows),
        )
    assert rows_when_ready == [2]
    steal = [row["t_ns"] for row in read_samples(path).to_pylist() if row["metric"] == "steal_s"]
    assert steal == [0, 100, 200, 300, 400]
