"""What is said of an objective that is missed, where the request classes have objectives of their own."""

import msgspec
import numpy as np
from answers_of import point_of

from harness.judge.interval import Interval
from harness.judge.metrics import ClassMetrics, Counts
from harness.judge.numbers.latency import NOTHING
from harness.judge.numbers.noise_by_kind import PRIOR_NOISE_BY_KIND
from harness.judge.slo_check import SloRows, missed_by, seconds_to_decide
from harness.judge.stats.durations import Durations
from harness.plan.slo import Slo, parse_slo

CLASSES = {"quick": parse_slo("errors<5%").bounds, "batch": parse_slo("errors<20%").bounds}
OBJECTIVE = Slo(bounds=parse_slo("errors<1%").bounds, of_classes=CLASSES)


def class_of(name, failed):
    """A class of 100 requests."""
    return ClassMetrics(
        name=name,
        share=0.5,
        counts=Counts(scheduled=100, sent=100, ok=100 - failed, error=failed),
        throughput_rps=Interval(10.0),
        goodput_rps=None,
        response=NOTHING,
        service=NOTHING,
        slo=Slo(bounds=CLASSES[name]),
        meets_slo=None,
    )


def said(quick, batch):
    """Of so many failed requests of each class."""
    failed = quick + batch
    counts = Counts(scheduled=200, sent=200, ok=200 - failed, error=failed)
    classes = (class_of("quick", quick), class_of("batch", batch))
    return missed_by(msgspec.structs.replace(point_of(counts=counts), classes=classes), OBJECTIVE).replace(
        "\u202f", " "
    )


def test_a_class_is_held_to_its_own_bounds_and_not_to_those_of_all():
    assert said(4, 10) == ""  # 7 % of all, which nobody is held to
    assert said(15, 10) == "15 % failed (quick)"
    assert said(15, 30) == "15 % failed (quick), 30 % failed (batch)"


def test_a_load_of_one_class_is_held_to_the_bounds_of_that_class():
    counts = Counts(scheduled=100, sent=100, ok=90, error=10)
    point = point_of(counts=counts)
    one = msgspec.structs.replace(point, classes=(class_of("batch", 10),))
    assert missed_by(one, OBJECTIVE) == ""
    assert missed_by(point, OBJECTIVE).replace("\u202f", " ") == "10 % failed"


def test_what_would_decide_bounds_that_nobody_is_held_to_is_not_asked():
    durations_ns = np.full(4000, 10_000_000)
    durations_ns[::125] = 60_000_000  # 0.8 % of them are longer than 50 ms, 1 % may be
    sample = Durations(durations_ns, np.zeros(4000, dtype=np.bool_))
    rows = SloRows({"response": [sample]}, PRIOR_NOISE_BY_KIND, None)
    of_all = parse_slo("p99<50ms")
    assert seconds_to_decide(point_of(), of_all, rows) > 0.0
    assert seconds_to_decide(point_of(), Slo(bounds=of_all.bounds, of_classes=CLASSES), rows) is None
