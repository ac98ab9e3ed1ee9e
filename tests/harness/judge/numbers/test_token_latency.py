"""The numbers of streams, from tokens whose instants are written here."""

import numpy as np
import pyarrow as pa
import pytest
from evidence_of import (
    MS,
    START,
    S,
    evidence_of,
    report_of,
    rows_of,
    streams,
    summarise_point,
    summarise_trial,
    tokens_of,
)

from harness.errors import UserError
from harness.plan.slo import parse_slo
from harness.record.load_report import LoopHealth
from harness.record.rows import ABSENT, Outcome
from harness.record.server.statistics import CounterReading, ServerStatistics


def steady(count=2000, *, first_ms=20, gap_ms=5, tokens=4):
    gaps = [[gap_ms] * (tokens - 1)] * count
    return streams(due_ms=[4 * number for number in range(count)], first_ms=[first_ms] * count, gaps_ms=gaps)


def test_first_tokens_gaps_and_rates_by_hand():
    rows, tokens = streams(due_ms=[0, 100, 200], first_ms=[10, 30, 20], gaps_ms=[[5, 7], [9], []])
    stream = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream
    assert (stream.ttft.count, stream.ttft.mean_ms, stream.ttft.max_ms) == (3, 20.0, 30.0)
    assert (stream.itl.count, stream.itl.mean_ms, stream.itl.max_ms) == (3, 7.0, 9.0)
    assert (stream.tpot.count, stream.tpot.mean_ms) == (2, pytest.approx((6 + 9) / 2))
    assert stream.tokens_per_s.value == pytest.approx(6.0)  # 3 + 2 + 1 tokens in a second
    assert (stream.prompt_tokens, stream.output_tokens) == (7.0, 2.0)
    # 22 + 39 + 20 ms of streams in a window of 1000 ms.
    assert stream.in_flight == pytest.approx(0.081)


def test_percentiles_are_those_of_every_gap():
    rows, tokens = steady(gap_ms=5)
    stream = summarise_trial(evidence_of(rows, tokens=tokens), None).stream
    assert stream.itl.count == 6000
    assert stream.itl.at(0.99).value_ms == 5.0
    assert stream.ttft.at(0.5).value_ms == 20.0


def test_where_the_time_goes_sums_to_the_mean():
    rows, tokens = streams(due_ms=[0, 100], first_ms=[10, 20], gaps_ms=[[5], [15]], lateness_ns=1 * MS, queue_ns=2 * MS)
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None)
    split = metrics.split
    # From sent (1 ms late) to the first token 9 and 19 ms, of which the server says that 2 were waiting.
    assert (split.send_ms, split.queue_ms, split.prefill_ms, split.decode_ms) == (1.0, 2.0, 12.0, 10.0)
    assert split.rest_ms == pytest.approx(0.0)
    assert metrics.response.mean_ms == pytest.approx(25.0)


def test_a_stream_without_its_first_token_counts_as_at_least_its_age():
    rows, _ = streams(due_ms=[0, 10], first_ms=[10, 10], gaps_ms=[[5], [5]])
    waits = rows_of([START + 20 * MS], 900 * MS, outcome=Outcome.TIMEOUT, request=[2])
    tokens = tokens_of([START + np.array([10, 15]) * MS, START + np.array([20, 25]) * MS])
    stream = summarise_trial(evidence_of(pa.concat_tables([rows, waits]), tokens=tokens), None).stream
    assert (stream.ttft.count, stream.ttft.max_ms) == (3, 900.0)
    assert stream.itl.count == 2


def test_the_open_gap_of_a_stalled_stream_counts():
    rows, _ = streams(due_ms=[0], first_ms=[10], gaps_ms=[[5]], outcome=Outcome.TIMEOUT)
    stalled = rows.set_column(
        rows.schema.get_field_index("done_ns"), "done_ns", pa.array([START + 2 * S], pa.int64())
    ).cast(rows.schema)
    good, _ = streams(due_ms=[0], first_ms=[10], gaps_ms=[[5]])
    both = pa.concat_tables([stalled, good.set_column(0, good.schema.field(0), pa.array([1], pa.int64()))])
    instants = START + np.array([10, 15]) * MS
    stream = summarise_trial(evidence_of(both, tokens=tokens_of([instants, instants])), None).stream
    assert stream.itl.max_ms == pytest.approx(2000 - 15)


def test_a_server_that_sends_several_tokens_at_once_is_taken_at_its_count():
    rows, tokens = streams(due_ms=[0], first_ms=[10], gaps_ms=[[5, 5]])
    rows = rows.set_column(rows.schema.get_field_index("output_tokens"), rows.schema.field("output_tokens"),
                           pa.array([12], pa.int32()))  # fmt: skip
    stream = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream
    assert stream.tokens_per_s.value == pytest.approx(12.0)
    assert stream.itl.mean_ms == 5.0  # between pieces
    assert stream.tpot.mean_ms == 1.25  # 4 tokens in each piece, every 5 ms
    assert stream.shape.tokens_per_piece == 4.0


def test_an_answer_in_one_piece_has_no_gaps_and_no_time_per_token():
    rows, tokens = streams(
        due_ms=[0, 100, 200], first_ms=[10, 10, 10], gaps_ms=[[0, 0, 0], [], [5]], output_tokens=[4, 8, 2]
    )
    case = evidence_of(rows, seconds=1.0, tokens=tokens)
    metrics = summarise_trial(case, None)
    stream = metrics.stream
    assert (stream.itl.count, stream.itl.mean_ms) == (1, 5.0)
    assert (stream.tpot.count, stream.tpot.mean_ms) == (1, 5.0)
    assert stream.shape.unstreamed == pytest.approx(2 / 3)
    assert "unstreamed" in {found.kind for found in metrics.findings}


def test_an_objective_about_gaps_that_were_never_streamed_cannot_be_judged():
    rows, tokens = steady(gap_ms=0)
    evidence, slo = evidence_of(rows, tokens=tokens), parse_slo("tpot_mean<50ms")
    point = summarise_point(evidence.point, [evidence], slo)
    assert point.stream.tpot.count == 0
    assert point.meets_slo is None


def test_what_reasons_first_has_two_first_tokens():
    rows, tokens = streams(
        due_ms=[0, 100], first_ms=[10, 10], gaps_ms=[[5, 5], [5, 5]],
        first_answer_ns=[START + 20 * MS, START + 110 * MS],
    )  # fmt: skip
    stream = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream
    assert (stream.ttft.mean_ms, stream.ttfo.mean_ms, stream.ttfo.count) == (10.0, 15.0, 2)


def test_without_reasoning_there_is_one_first_token():
    rows, tokens = streams(due_ms=[0], first_ms=[10], gaps_ms=[[5]], first_answer_ns=[START + 10 * MS])
    assert summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream.ttfo is None


def test_tokens_of_failed_streams_are_no_throughput():
    rows, tokens = streams(
        due_ms=[0, 100], first_ms=[10, 10], gaps_ms=[[5, 5, 5], [5]], outcome=[Outcome.ERROR, Outcome.OK]
    )
    stream = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream
    assert stream.tokens_per_s.value == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"usage_tokens": 0, "asked_tokens": 4}, "undercounted"),
        ({"usage_tokens": 4, "asked_tokens": 40}, "off_length"),
        ({"usage_tokens": 4, "asked_tokens": 1}, "off_length"),
        ({"usage_tokens": 16, "output_tokens": 16, "asked_tokens": 16}, "several_tokens"),
        ({"usage_tokens": 4, "asked_tokens": 5}, None),
        ({}, None),
    ],
)
def test_the_form_of_answers_is_doubted(columns, kind):
    rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5, 5, 5]] * 2, **columns)
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None)
    doubts = {"unstreamed", "undercounted", "off_length", "several_tokens"}
    assert {found.kind for found in metrics.findings} & doubts == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"asked_prompt_tokens": 7}, None),
        ({"asked_prompt_tokens": 8}, "off_prompt"),
        ({"cached_tokens": 5, "shared_tokens": 5}, None),  # as much as the load had sent before
        ({"cached_tokens": 5, "shared_tokens": 2}, "warm_cache"),
        ({"cached_tokens": 7}, None),  # no more than a template may have
        ({"cached_tokens": 900, "prompt_tokens": 1000}, "warm_cache"),
    ],
)
def test_prompts_that_differ_from_what_was_asked_are_doubted(columns, kind):
    rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5, 5, 5]] * 2, **columns)
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None)
    assert {found.kind for found in metrics.findings} & {"off_prompt", "warm_cache"} == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("columns", "hits", "found"),
    [
        ({"prompt_tokens": 1000}, 90, True),  # 9 %: a template may have 6.4 %, and 2 % are let pass
        ({"prompt_tokens": 10_000}, 900, True),
        ({"prompt_tokens": 1000}, 60, False),
        ({"prompt_tokens": 1000, "shared_tokens": 500, "asked_prompt_tokens": 1000}, 520, False),
        ({"prompt_tokens": 1000, "shared_tokens": 500, "asked_prompt_tokens": 1000}, 700, True),
        ({"prompt_tokens": 1000, "cached_tokens": 0}, 900, False),  # what it says of each response is nearer
    ],
)
def test_counters_tell_of_a_warm_cache_where_responses_do_not(columns, hits, found):
    rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5, 5, 5]] * 2, **columns)
    size = columns["prompt_tokens"]
    readings = tuple(
        CounterReading(
            at_ns=START + at * 1000 * MS,
            counters={"vllm:prefix_cache_hits": at * 2 * hits, "vllm:prefix_cache_queries": at * 2 * size},
        )
        for at in (0, 1)
    )
    said = ServerStatistics(family="vLLM's metrics", url="http://127.0.0.1:8000", readings=readings)
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens, statistics=said), None)
    assert ("warm_cache" in {each.kind for each in metrics.findings}) is found


@pytest.mark.parametrize(
    ("columns", "started", "found"),
    [
        ({"payload": [3, 3]}, False, True),
        ({"payload": [3, 4]}, False, False),
        ({"payload": [3, 3]}, True, False),  # by the harness
        ({"payload": [3, 3], "cached_tokens": 0}, False, False),
        ({"payload": [3, 3], "shared_tokens": 0}, False, False),  # made by the load, which knows what is new
        ({"payload": [3, 3], "prompt_tokens": ABSENT}, False, False),  # they may be turns of one conversation
    ],
)
def test_prompts_that_come_again_are_named_where_the_server_says_nothing_of_its_cache(columns, started, found):
    rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5, 5, 5]] * 2, **columns)
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens, has_log=started), None)
    assert ("repeated_prompts" in {each.kind for each in metrics.findings}) is found


def test_the_cached_share_is_of_all_prompt_tokens():
    columns = {"prompt_tokens": [100, 300], "cached_tokens": [90, 30]}
    rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5], [5]], **columns)
    stream = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream
    assert stream.cached_share == pytest.approx(120 / 400)
    assert stream.prompt_tokens_per_s.value == pytest.approx(400)


def test_streams_that_were_read_and_counted_need_no_expected_text():
    def verdict(**columns):
        rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5, 5, 5]] * 2, checked=0, **columns)
        findings = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).findings
        return next(found.verdict for found in findings if found.kind == "unchecked")

    assert verdict(usage_tokens=4, asked_tokens=4) == "VALID"
    assert verdict(usage_tokens=4) == "DEGRADED"  # no length was asked for
    assert verdict(asked_tokens=4) == "DEGRADED"  # the server counts nothing
    assert verdict(usage_tokens=4, asked_tokens=40) == "DEGRADED"


@pytest.mark.parametrize(("outcome", "kind"), [(Outcome.OK, "unchecked"), (Outcome.WRONG, "wrong_answers")])
def test_what_is_expected_of_a_language_model_is_given_with_its_prompts(outcome, kind):
    rows, tokens = streams(due_ms=[0, 50], first_ms=[10, 10], gaps_ms=[[5], [5]], checked=0, outcome=outcome)
    findings = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).findings
    remedy = next(found.remedy for found in findings if found.kind == kind)
    assert "--prompts" in remedy
    assert "--expect" not in remedy


def test_results_have_rates_and_no_first_token():
    rows, tokens = streams(
        due_ms=[0, 100], first_ms=[10, 10], gaps_ms=[[], []], first_token_ns=-1, output_tokens=-1, result_count=3,
        prompt_tokens=50,
    )  # fmt: skip
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None)
    stream = metrics.stream
    assert (stream.tokens_per_s, stream.ttft.count, stream.itl.count) == (None, 0, 0)
    assert (stream.results_per_s.value, stream.prompt_tokens_per_s.value) == (pytest.approx(6), pytest.approx(100))
    assert (metrics.rate.value, metrics.rate_unit) == (pytest.approx(6), "results/s")


def test_a_language_model_is_ranked_by_its_tokens():
    rows, tokens = streams(due_ms=[0, 100, 200], first_ms=[10, 30, 20], gaps_ms=[[5, 7], [9], []])
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None)
    assert (metrics.rate.value, metrics.rate_unit) == (pytest.approx(6.0), "tokens/s")
    assert metrics.stream.tokens_per_s_of_stream == pytest.approx(6 / 0.081)
    assert summarise_trial(evidence_of(rows, seconds=1.0), None).rate_unit == "req/s"


@pytest.mark.parametrize(("lag_ms", "verdict"), [(4, None), (6, "DEGRADED"), (30, "INVALID")])
def test_a_loop_that_lags_by_a_part_of_the_gaps_is_found_though_responses_are_long(lag_ms, verdict):
    # gaps of 5 ms in responses of 1 s: 30 ms are 3 % of a response, and six gaps
    rows, tokens = steady(200, tokens=200)
    health = LoopHealth(cpu_ns=1, wall_ns=10 * S, loop_lag_p99_ns=lag_ms * MS)
    evidence = evidence_of(rows, tokens=tokens, reports=(report_of(rows, 10.0, health=health),))
    verdicts = {found.kind: found.verdict for found in summarise_trial(evidence, None).findings}
    assert verdicts.get("loop_lag") == verdict


def documents(**columns):
    """Three whole documents in a second, without a first token."""
    return streams(due_ms=[0, 100, 200], first_ms=[10, 10, 10], gaps_ms=[[], [], []], first_token_ns=-1, **columns)


def test_documents_have_the_tokens_that_the_server_counts():
    rows, tokens = documents(output_tokens=[300, -1, 100], usage_tokens=[300, -1, 100])
    stream = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream
    # Where the server counts none there may be as many as in the others: (300 + 100) / 2 in each of three.
    assert (stream.tokens_per_s.value, stream.output_tokens) == (pytest.approx(600), 200)
    assert stream.shape.undercounted is None
    rows, tokens = documents(output_tokens=-1, asked_tokens=64)
    metrics = summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None)
    assert (metrics.stream.tokens_per_s, metrics.stream.output_tokens, metrics.rate_unit) == (None, None, "req/s")
    assert metrics.stream.shape.off_length is None


def test_of_documents_nobody_knows_which_keep_a_limit_on_streams():
    rows, tokens = documents()
    for given in (tokens, None):  # of a language model, and of any other server
        evidence = evidence_of(rows, seconds=1.0, tokens=given)
        point = summarise_point(evidence.point, [evidence], parse_slo("ttft_p90<500ms,itl_p99<50ms"))
        assert (point.goodput_rps, point.meets_slo) == (None, None)
    point = summarise_point(evidence.point, [evidence], parse_slo("p99<50ms"))
    assert point.goodput_rps.value == pytest.approx(3)


def test_a_document_that_never_came_has_no_time_to_first_token_either():
    rows, tokens = documents(outcome=[Outcome.OK, Outcome.OK, Outcome.TIMEOUT])
    assert summarise_trial(evidence_of(rows, seconds=1.0, tokens=tokens), None).stream.ttft.count == 0


def test_other_loads_have_no_streams():
    rows = rows_of(START + np.arange(10) * MS, 5 * MS)
    assert summarise_trial(evidence_of(rows), None).stream is None


def point_of(rows, tokens, slo):
    evidence = evidence_of(rows, seconds=8.0, tokens=tokens)
    return summarise_point(evidence.point, [evidence], slo)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ttft_p99<25ms,itl_p99<6ms", True),
        ("ttft_p99<15ms,itl_p99<6ms", False),
        ("ttft_p99<25ms,itl_p99<4ms", False),
        ("ttft_p99<25ms,tpot_mean<6ms,p99<50ms,errors<1%", True),
        ("itl_max<4ms", False),
    ],
)
def test_several_limits_hold_at_once(text, kept):
    slo = parse_slo(text)
    point = point_of(*steady(), slo)
    assert point.meets_slo is kept


def test_goodput_counts_the_streams_that_keep_every_limit_themselves():
    quick, slow = [5, 5, 5, 5], [5, 5, 5, 40]
    count = 1000
    rows, tokens = streams(
        due_ms=[8 * number for number in range(count)],
        first_ms=[20 if number % 4 else 80 for number in range(count)],  # every fourth begins late
        gaps_ms=[slow if number % 4 == 1 else quick for number in range(count)],  # another fourth stalls once
    )
    every = point_of(rows, tokens, parse_slo("ttft_p99<500ms"))
    both = point_of(rows, tokens, parse_slo("ttft_p99<50ms,itl_p99<10ms"))
    median = point_of(rows, tokens, parse_slo("ttft_p99<50ms,itl_p50<10ms"))
    assert both.goodput_rps.value == pytest.approx(every.goodput_rps.value / 2, rel=0.02)
    assert median.goodput_rps.value == pytest.approx(every.goodput_rps.value * 3 / 4, rel=0.02)


@pytest.mark.parametrize("text", ["ttft<5ms", "itl_p98<5ms", "ttft_p99<5%", "ttft_errors<1%"])
def test_a_limit_that_is_none_is_refused(text):
    with pytest.raises(UserError, match=r"ttft_p99<500ms,itl_p99<50ms|needs us, ms or s"):
        parse_slo(text)
