"""Several request classes in one load."""

import json

import numpy as np
import pytest

from harness.clock import monotonic_ns
from harness.errors import UserError
from harness.plan.arrivals import Closed, Constant
from harness.plan.request_mix import ClassShare, RequestClass
from harness.record.rows import Outcome
from harness.wire.payload_bank import Bank, BankMeta

pytestmark = pytest.mark.process

TRIPLE = BankMeta(model="triple", input_shape=(1,), output_shape=(1,))


@pytest.fixture
def classes(tmp_path):
    """Sums (conftest's bank of 20) and triples (7 payloads), nine to one."""
    inputs = np.arange(7, dtype=np.float32).reshape(7, 1)
    Bank(TRIPLE, inputs, np.zeros(0, np.int64), 3 * inputs).save(tmp_path / "triple.npz")
    shares = (
        ClassShare(name="sum", weight=9),
        ClassShare(name="triple", weight=1, request_class=RequestClass(model="triple", slo="p99<1s")),
    )
    return {"classes": shares, "class_banks": {"triple": tmp_path / "triple.npz"}}


def script_of(answer, wrong_triples=False):
    def script(number, request, connection):
        if b"/v2/models/sum/infer " in request:
            return answer.right(request)
        assert b"/v2/models/triple/infer " in request
        (value,) = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"][0]["data"]
        return answer.ok([3 * value + wrong_triples])

    return script


def test_each_class_sends_its_own_payloads_by_weight_and_is_checked_against_its_own_answers(
    serve, bench, answer, classes
):
    rows, report = bench(serve(script_of(answer)).url, arrivals=Closed(users=2), **classes).run(600, users=2)
    assert (report.ok, report.wrong) == (report.sent, 0)
    assert report.request_classes == ("sum", "triple")
    assert report.class_slos == ("", "p99<1s")
    of_class = [[row["payload"] for row in rows if row["request_class"] == number] for number in (0, 1)]
    assert set(of_class[0]) == set(range(20))
    assert set(of_class[1]) == set(range(7))
    # 600 draws with p = 0.1: 60 expected, standard deviation 7.3
    assert 30 < len(of_class[1]) < 90
    lengths = {row["request_class"]: row["request_bytes"] for row in rows}
    assert lengths[0] != lengths[1]


def test_a_wrong_answer_counts_in_its_own_class(serve, bench, answer, classes):
    rows, report = bench(serve(script_of(answer, wrong_triples=True)).url, **classes).run(200)
    wrong = {row["request_class"] for row in rows if row["outcome"] == Outcome.WRONG}
    right = {row["request_class"] for row in rows if row["outcome"] == Outcome.OK}
    assert (wrong, right) == ({1}, {0})
    assert report.wrong > 0


def test_the_mix_is_the_same_for_the_same_seed(serve, bench, answer, classes):
    url = serve(script_of(answer)).url
    orders = [
        [row["request_class"] for row in bench(url, seed=seed, **classes).run(100)[0][:100]] for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_what_could_not_be_sent_has_a_class_too(serve, bench, classes):
    silent = serve(lambda number, request, connection: None)
    load = bench(silent.url, arrivals=Constant(rate_rps=2000), max_in_flight=1, timeout_s=0.3, **classes)
    load.load.begin_phases(0)
    load.load.loop.start(monotonic_ns())
    load.turn_until(lambda: load.load.ledger.ended[Outcome.NOT_SENT] > 200)
    rows, _ = load.finish()
    skipped = [row["request_class"] for row in rows if row["outcome"] == Outcome.NOT_SENT]
    assert 0 < skipped.count(1) < skipped.count(0)


def test_a_class_that_nobody_can_check_is_refused_with_the_remedy(serve, bench, answer, classes):
    shares = (*classes["classes"], ClassShare(name="why", request_class=RequestClass(verb="explain")))
    with pytest.raises(UserError, match=r"why.*--class-bank why=FILE.*--check off"):
        bench(serve(script_of(answer)).url, classes=shares, class_banks=classes["class_banks"])


def test_unchecked_explanations_use_the_payloads_of_the_model(serve, bench, answer):
    seen = []

    def script(number, request, connection):
        seen.append(request.split(b" ", 2)[1])
        return answer.ok([0, 0])

    shares = (ClassShare(name="explain", request_class=RequestClass(verb="explain")),)
    rows, _ = bench(serve(script).url, classes=shares, check="off").run(20)
    assert set(seen) == {b"/v2/models/sum/explain"}
    assert {row["payload"] for row in rows} <= set(range(20))


def test_a_class_can_ask_for_several_items_at_once_and_all_are_checked(serve, bench, answer):
    off_by = [0.0]

    def script(number, request, connection):
        tensor = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"][0]
        assert tensor["shape"] == [3, 4]
        rows = np.reshape(tensor["data"], (3, 4))
        return answer.ok(np.stack([rows[:, 0] + rows[:, 1], rows[:, 0] - rows[:, 1] + off_by[0]], axis=1).ravel())

    shares = (ClassShare(name="bulk", request_class=RequestClass(rows=3)),)
    url = serve(script).url
    rows, report = bench(url, classes=shares).run(40)
    assert (report.ok, report.checked) == (report.sent, report.sent)
    assert {row["payload"] for row in rows} == set(range(20))
    off_by[0] = 1.0
    _, report = bench(url, classes=shares).run(5)
    assert report.wrong == report.sent


def test_several_items_need_a_protocol_that_has_a_batch_axis(serve, bench, answer):
    shares = (ClassShare(name="bulk", request_class=RequestClass(rows=3)),)
    with pytest.raises(UserError, match=r"bulk: rows=3 needs the Open Inference Protocol"):
        bench(serve(script_of(answer)).url, classes=shares, protocol="tfs")
