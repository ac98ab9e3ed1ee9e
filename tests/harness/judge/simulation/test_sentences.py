"""What is said of predictions: of which settings one is said to be so many times another."""

from batches_of import plan_of, trial_of

from harness.judge.simulation.fit import batch_trials, fit
from harness.judge.simulation.sentences import sentences
from harness.judge.simulation_result import Prediction


def predicted(replicas=1, stages=1, dispatch="port", batch_size=8, *, speedup=None, p99_ms=20.0):
    processes = replicas * stages
    return Prediction(
        setting={"replicas": replicas, "stages": stages, "dispatch": dispatch, "batch_size": batch_size},
        load="5000 req/s" if speedup is None else f"{replicas} users", processes=processes,
        throughput_rps=1000.0 * (speedup or 1), p50_ms=10.0, p99_ms=p99_ms, mean_batch=4.0, busy_share=0.9,
        speedup=speedup, efficiency=None if speedup is None else speedup / processes,
    )  # fmt: skip


def said(*predictions):
    """The sentences behind those on the service time."""
    plan = plan_of(({"batch_size": 1}, 1), ({"batch_size": 8}, 16))
    found = fit(batch_trials(plan, [trial_of(plan, 0, 1, busy=False), trial_of(plan, 1, 8, busy=True)]))
    texts = [text.replace("\u202f", " ") for text in sentences(predictions, found, (), cores=8)]
    return [text for text in texts if text.startswith(("Behind", "At", "They", "2 stages"))]


def test_replicas_are_said_to_be_so_many_times_one():
    assert said(predicted(8, speedup=7.9), predicted(2, speedup=2.0)) == [
        "Behind one port 8 replicas give 7.9× of one, 99 % of each."
    ]
    assert said(predicted(2, speedup=1.8), predicted(8, speedup=2.4)) == [
        "Behind one port 8 replicas give 2.4× of one; beyond 2 each adds less than half of itself."
    ]
    # Whether two do is not known where none of those that were simulated pays.
    assert said(predicted(16, speedup=4.0), predicted(64, speedup=4.0)) == [
        "Behind one port 64 replicas give 4× of one, 6.2 % of each."
    ]


def test_each_batch_size_has_a_sentence_of_its_own():
    found = [predicted(n, batch_size=size, speedup=n * share) for n in (1, 8) for size, share in ((1, 1.0), (64, 0.75))]
    assert said(*found) == [
        "Behind one port with batch_size=1, 8 replicas give 8× of one, 100 % of each.",
        "Behind one port with batch_size=64, 8 replicas give 6× of one, 75 % of each.",
    ]


def test_under_a_rate_replicas_are_compared_by_p99_where_their_number_differs():
    assert said(*(predicted(8, batch_size=size) for size in (1, 8, 64))) == []
    assert said(predicted(1, p99_ms=90.0), predicted(8, p99_ms=12.0)) == [
        "At 5000 req/s, dispatch=port: a p99 of 90 ms with 1 replica, of 12 ms with 8 replicas."
    ]
    assert said(predicted(stages=2)) == []


def test_stages_name_what_else_was_varied():
    assert said(predicted(stages=2, speedup=1.6)) == [
        "2 stages (dispatch=port) give 1.6× of the whole model in one process, 80 % of each process."
    ]
    found = [predicted(stages=2, batch_size=size, speedup=1.6) for size in (1, 8)]
    assert said(*found)[1].startswith("2 stages (dispatch=port, batch_size=8) give 1.6× of the whole model")


def test_port_and_queue_are_compared_at_equal_batches():
    found = [
        predicted(8, dispatch=dispatch, batch_size=size, speedup=8.0, p99_ms=p99_ms)
        for dispatch, size, p99_ms in (("port", 1, 30.0), ("port", 64, 25.0), ("queue", 1, 10.0), ("queue", 64, 20.0))
    ]
    (sentence,) = said(*found)
    assert sentence == (
        "They differ most at 8 replicas with batch_size=1: a p99 of 30 ms behind the port, where connections fall on "
        "replicas unevenly, and of 10 ms behind the queue."
    )
