"""What is left of a trial once the time is out in which others harmed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.numbers.machine.backlog import Requests
from harness.judge.numbers.machine.harmed_time import unharmed_time
from harness.judge.numbers.machine.machine_stretches import machine_stretches
from harness.plan.arrivals import OpenProcess
from harness.record.load_report import ran_elsewhere
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from harness.judge.numbers.machine.harmed_time import UsableTime
    from harness.judge.numbers.sample_series import SampleSeries
    from harness.judge.numbers.trial_rows import TrialRows
    from harness.record.trial_data import TrialData

NEVER_NS = 1 << 62  # later than any instant, and small enough to subtract from


def usable_time(data: TrialData, rows: TrialRows, samples: SampleSeries) -> UsableTime | None:
    """The usable time of a trial's window; None where the samplers saw nothing of the machine."""
    stalls_ns = [stall for report in data.reports if report.health for stall in report.health.stalls_ns]
    elsewhere = is_elsewhere(data, samples)
    stretches = machine_stretches(samples, stalls_ns, in_process=data.in_process, elsewhere=elsewhere)
    if stretches is None:
        return None
    sent = rows.everything.where(rows.everything["sent_ns"] != ABSENT)
    done_ns = np.where(sent["done_ns"] == ABSENT, NEVER_NS, sent["done_ns"])
    requests = Requests(sent["due_ns"], done_ns, open_loop=isinstance(data.point.arrivals, OpenProcess))
    until_ns = done_ns
    if sent.knows("first_token_ns"):  # of a stream the first token is timed, which comes sooner than its end
        until_ns = np.where(sent["first_token_ns"] == ABSENT, done_ns, sent["first_token_ns"])
    timed_ns = int(np.median(until_ns - sent["due_ns"])) if len(sent) else 0
    return unharmed_time((rows.window.start_ns, rows.window.end_ns), stretches, requests, timed_ns)


def is_elsewhere(data: TrialData, samples: SampleSeries) -> bool:
    """Whether the load ran on other machines and, as far as is known, the target too."""
    return ran_elsewhere(data.reports) and not samples.series("target", "cpu_s").values.size
