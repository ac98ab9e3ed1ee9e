"""SampleSeries written by hand, and what they say of others."""

import numpy as np
import pytest
from evidence_of import START, S, samples_of

from harness.judge.numbers.machine.machine_stretches import machine_stretches, strangers
from harness.judge.numbers.sample_series import SampleSeries


def counter(*steps, every_s=0.1):
    """A cumulative counter that gains `steps`, one in each 100 ms."""
    return [(index * every_s, float(value)) for index, value in enumerate(np.cumsum([0.0, *steps]))]


def flat(count=3):
    return counter(*[0.0] * count)


def seen(**changes):
    """Three stretches in which the target ran 50, 50, 20 ms, the load 30 each, the samplers 1; the cores 85, 85, 95."""
    series = {
        ("cores", "ran_s"): counter(0.085, 0.085, 0.095),
        ("target", "ran_s"): counter(0.050, 0.050, 0.020),
        ("target", "waited_s"): counter(0.0, 0.001, 0.030),
        ("load", "ran_s"): counter(0.030, 0.030, 0.030),
        ("load", "waited_s"): counter(0.0, 0.0, 0.010),
        ("sampler", "ran_s"): counter(0.001, 0.001, 0.001),
        ("sampler", "cpu_s"): counter(0.001, 0.001, 0.001),
        ("machine", "steal_s"): counter(0.0, 0.02, 0.0),
    }
    named = {tuple(key.split("__")): value for key, value in changes.items()}
    return SampleSeries(samples_of({key: value for key, value in {**series, **named}.items() if value is not None}))


def test_what_others_ran_is_the_rest():
    found = machine_stretches(seen())
    assert found.edges_ns.tolist() == [START + at * S // 10 for at in range(4)]
    assert found.foreign_cores.tolist() == pytest.approx([0.04, 0.04, 0.44])
    assert found.waited_cores.tolist() == pytest.approx([0.0, 0.01, 0.4])
    assert found.stolen_cores.tolist() == pytest.approx([0.0, 0.2, 0.0])
    assert not found.silent.any()
    assert found.exactly


def test_of_a_server_by_url_it_is_not_known():
    found = machine_stretches(seen(target__ran_s=None, target__waited_s=None))
    assert np.isnan(found.foreign_cores).all()
    assert np.isnan(found.waited_cores).all()


def test_a_target_in_the_load_process_is_the_load():
    found = machine_stretches(seen(target__ran_s=None, target__waited_s=None), [(START, START + S)], in_process=True)
    assert found.foreign_cores.tolist() == pytest.approx([0.54, 0.54, 0.64])
    assert not found.late.any()  # its event loop waits for the model


def test_ticks_where_nothing_counts_exactly():
    cpu = {f"cpu{n}__cpu_percent": [(0.0, 0.0), (0.1, 50.0), (0.2, 50.0), (0.3, 90.0)] for n in range(2)}
    found = machine_stretches(seen(cores__ran_s=None, **cpu))
    assert not found.exactly
    assert found.foreign_cores.tolist() == pytest.approx([0.19, 0.19, 1.29])


def test_an_older_run_tells_of_steal_alone():
    older = SampleSeries(samples_of({("sampler", "cpu_s"): flat(), ("machine", "steal_s"): counter(0.0, 0.0, 0.05)}))
    found = machine_stretches(older)
    assert np.isnan(found.foreign_cores).all()
    assert found.stolen_cores.tolist() == pytest.approx([0.0, 0.0, 0.5])


def test_silence_of_the_samplers():
    at = [0.0, 0.1, 0.2, 0.9, 1.0]
    found = machine_stretches(SampleSeries(samples_of({("sampler", "cpu_s"): [(t_s, 0.0) for t_s in at]})))
    assert found.silent.tolist() == [False, False, True, False]


def test_stalls_of_the_load():
    found = machine_stretches(seen(), [(START + 90_000_000, START + 130_000_000)])
    assert found.late.tolist() == [True, True, False]


def test_no_samples_no_stretches():
    assert machine_stretches(SampleSeries(None)) is None


def test_strangers_by_what_they_used_in_the_window():
    samples = SampleSeries(
        samples_of(
            {
                ("process:python3:7:", "cpu_s"): [(0, 0.5), (1, 1.0), (2, 2.0), (3, 9.0)],
                ("process:gcc:9:backup.service", "cpu_s"): [(1.5, 0.3)],
                ("process:cron:11:", "cpu_s"): [(1, 0.01), (2, 0.02)],
            }
        )
    )
    found = strangers(samples, (START + S // 2, START + 5 * S // 2))
    assert [(each.name, each.pid, round(each.cores, 3)) for each in found] == [("python3", 7, 0.75), ("gcc", 9, 0.15)]
    assert [str(each) for each in found] == ["python3 (pid 7)", "gcc (pid 9 in backup.service)"]
