"""A run that is under way, as the live page finds it on disk."""

from __future__ import annotations

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.record.load_report import LoadReport
from harness.record.samples import Sample, SampleWriter


def running_trial(run_dir):
    """A trial whose load process has reported 500 good responses within some 5 s; the target used half a core."""
    folder = run_dir / "trials/000-users=8-r0"
    folder.mkdir(parents=True)
    now_ns = monotonic_ns()
    report = LoadReport(
        worker=0, pid=1, final=False, stop_reason="", start_ns=now_ns, measure_start_ns=now_ns - 5 * NS_PER_S,
        measure_end_ns=None, drain_end_ns=None, scheduled=500, not_sent=0, sent=500, ok=500, wrong=0, error=3,
        timeout=0, rejected=0, aborted=0, rows_written=500, response_times={0: 500},
    )  # fmt: skip
    (folder / "load.json").write_bytes(msgspec.json.encode(report))
    with SampleWriter(folder / "samples.arrow") as writer:
        for second in range(5):
            t_ns = now_ns + second * NS_PER_S
            values = {"target": 0.5 * second, "load": 0.1 * second}
            writer.add(
                [
                    Sample(t_ns=t_ns, late_ns=0, source=name, metric="cpu_s", value=value)
                    for name, value in values.items()
                ],
                t_ns,
            )
    return folder
