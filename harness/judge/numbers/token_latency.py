"""Figures of streamed responses, from the instant of every token.

Time to first token counts from when the request was due, as response time does, and a request still open without one
counts with its age, as "at least". Inter-token latency is every single gap of every stream, in the order in which the
gaps ended: neighbours share the steps of the server, which the intervals allow for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.metrics import StreamMetrics, StreamShape
from harness.judge.numbers.latency import pooled_latency
from harness.judge.numbers.noise_by_kind import THROUGHPUT
from harness.judge.numbers.stream_tokens import StreamTokens, stream_shape
from harness.judge.numbers.time_split import weighted
from harness.judge.numbers.trial_rows import OPEN_OUTCOMES
from harness.judge.slo_check import QUANTILES
from harness.judge.stats.durations import Durations
from harness.judge.stats.mean_intervals import BATCHES
from harness.judge.stats.trial_noise import pooled_rate
from harness.plan.slo import STREAM_KINDS
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.judge.interval import Interval
    from harness.judge.numbers.noise_by_kind import NoiseByKind
    from harness.judge.numbers.throughput import Rates
    from harness.judge.numbers.trial_rows import RowColumns, TrialRows
    from harness.judge.stats.trial_noise import TrialNoise
    from harness.plan.slo import Bound, Slo
    from harness.record.rows import Column, Mask, Window
    from harness.record.trial_data import TrialData


class StreamRates(NamedTuple):
    """Events per second (batches,) of one trial; None where the server counts none of them."""

    tokens: Rates | None
    prompt_tokens: Rates | None
    results: Rates | None


@dataclass(frozen=True)
class StreamSample:
    """One trial's streams, to be pooled: durations, token rates (batches,), means, and the input of `trial_split`."""

    ttft: Durations
    itl: Durations
    tpot: Durations
    rates: StreamRates
    prompt_tokens: float | None
    output_tokens: float | None
    in_flight: float
    good: int
    parts_ms: dict[str, float]
    shape: StreamShape
    cached_share: float | None = None
    asked_cached_share: float | None = None
    ttfo: Durations | None = None  # None: every answer begins with its first piece

    @property
    def durations(self) -> dict[str, Durations]:
        """Those that an objective may bound, by STREAM_KINDS."""
        return {kind: getattr(self, kind) for kind in STREAM_KINDS}


def stream_sample(data: TrialData, rows: TrialRows) -> StreamSample | None:
    """The streams of one trial; None where responses were not streamed."""
    if data.tokens is None:
        return None
    tokens = StreamTokens(data.tokens)
    good = rows.good.where(tokens.of(rows.good) >= 0)
    still_open = rows.judged.where(rows.judged.outcome_is(*OPEN_OUTCOMES))
    return StreamSample(
        ttft=_until_first(rows.judged, "first_token_ns"),
        itl=_itl(tokens, good, still_open),
        tpot=_tpot(tokens, good),
        rates=_rates(tokens, rows, good),
        cached_share=_cached_share(good),
        asked_cached_share=_asked_cached_share(good),
        prompt_tokens=_mean(good["prompt_tokens"]),
        output_tokens=_mean(good["output_tokens"]),
        in_flight=_in_flight(rows.everything, rows.window),
        good=len(good),
        parts_ms=_parts_ms(tokens, good),
        shape=stream_shape(tokens, good),
        ttfo=_ttfo(rows.judged),
    )


def pooled_streams(samples: Sequence[StreamSample], noises: NoiseByKind) -> StreamMetrics | None:
    """The streams of all repeats: gaps and times are put together, never percentiles averaged."""
    if not samples:
        return None
    latencies = {
        kind: pooled_latency([getattr(sample, kind) for sample in samples], noises.of(kind)) for kind in STREAM_KINDS
    }

    def mean(name: str) -> float | None:
        return weighted([(getattr(sample, name), sample.good) for sample in samples])

    noise = noises.of(THROUGHPUT)
    tokens_per_s = _pooled((sample.rates.tokens for sample in samples), noise)
    in_flight = sum(sample.in_flight for sample in samples) / len(samples)
    reasons = any(sample.ttfo for sample in samples)
    return StreamMetrics(
        **latencies,
        tokens_per_s=tokens_per_s,
        tokens_per_s_of_stream=_of_one_stream(tokens_per_s, in_flight),
        prompt_tokens_per_s=_pooled((sample.rates.prompt_tokens for sample in samples), noise),
        results_per_s=_pooled((sample.rates.results for sample in samples), noise),
        cached_share=mean("cached_share"),
        asked_cached_share=mean("asked_cached_share"),
        prompt_tokens=mean("prompt_tokens"),
        output_tokens=mean("output_tokens"),
        in_flight=in_flight,
        ttfo=pooled_latency([each.ttfo or each.ttft for each in samples], noises.of("ttft")) if reasons else None,
        shape=StreamShape(**{
            name: weighted([(getattr(sample.shape, name), sample.good) for sample in samples])
            for name in StreamShape.__struct_fields__
        }),
    )  # fmt: skip


def streams_unknown(rows: TrialRows, slo: Slo) -> bool:
    """Whether `slo` bounds streams, and no good response was one: nobody knows which of them keep it."""
    bounded = any(bound.metric.partition("_")[0] in STREAM_KINDS for bound in slo.bounds)
    return bounded and len(rows.good) > 0 and bool((rows.good["first_token_ns"] == ABSENT).all())


def rows_within_slo(data: TrialData, rows: TrialRows, slo: Slo) -> Mask | None:
    """Which of all rows keep every stream bound of `slo` on their own; None where it has none.

    Of its gaps a stream must keep the statistic that the bound names: `itl_p99` is the 99th percentile of its own.
    """
    bounds = [bound for bound in slo.bounds if bound.metric.partition("_")[0] in STREAM_KINDS]
    if not bounds or data.tokens is None:
        return None
    tokens, every = StreamTokens(data.tokens), rows.everything
    kept: Mask = np.ones(len(every), dtype=np.bool_)
    for bound in bounds:
        value_ns = _own_value_ns(bound, tokens, every)
        kept &= value_ns <= bound.limit * NS_PER_MS
    return kept


def _until_first(due: RowColumns, column: str) -> Durations:
    """From due to the instant in `column`; a request still open without it counts with its age."""
    first_ns = due[column]
    came = first_ns != ABSENT
    waits = due.outcome_is(*OPEN_OUTCOMES) & ~came
    if not came.any() and due.outcome_is(Outcome.OK).any():  # documents: nobody knows when their first token came
        waits[:] = False
    counted = (due.outcome_is(Outcome.OK, Outcome.CANCELLED, *OPEN_OUTCOMES) & came) | waits
    until_ns = np.where(came, first_ns, due["done_ns"])
    return Durations(np.maximum(until_ns - due["due_ns"], 0)[counted], waits[counted])


def _ttfo(due: RowColumns) -> Durations | None:
    """Time to first output token; None where no response begins with reasoning, and where it is not known."""
    known = due["first_answer_ns"] != ABSENT
    if not (due["first_answer_ns"][known] > due["first_token_ns"][known]).any():
        return None
    return _until_first(due, "first_answer_ns")


def _itl(tokens: StreamTokens, good: RowColumns, still_open: RowColumns) -> Durations:
    """Gaps between pieces; the last one of a stream still open is at least as long as it was waited for.

    A response that came at one instant was not streamed, and has none.
    """
    open_streams = tokens.of(still_open)
    begun = open_streams >= 0
    whole = tokens.of(good)
    lengths_ns, ends_ns, _ = tokens.gaps(np.concatenate([whole[tokens.streamed(whole)], open_streams[begun]]))
    given_up_ns = still_open["done_ns"][begun]
    values_ns = np.concatenate([lengths_ns, given_up_ns - tokens.last_ns(open_streams[begun])])
    censored = np.zeros(values_ns.size, dtype=np.bool_)
    censored[lengths_ns.size :] = True
    order = np.argsort(np.concatenate([ends_ns, given_up_ns]), kind="stable")
    return Durations(np.maximum(values_ns, 0)[order], censored[order])


def _tpot(tokens: StreamTokens, good: RowColumns) -> Durations:
    values_ns = tokens.tpot_ns(good)
    values_ns = values_ns[values_ns >= 0]
    return Durations(values_ns, np.zeros(values_ns.size, dtype=np.bool_))


def _pooled(rates: Iterable[Rates | None], noise: TrialNoise) -> Interval | None:
    known = [each for each in rates if each is not None]
    return pooled_rate(known, noise) if known else None


def _of_one_stream(tokens_per_s: Interval | None, in_flight: float) -> float | None:
    return tokens_per_s.value / in_flight if tokens_per_s and in_flight > 0 else None


def _rates(tokens: StreamTokens, rows: TrialRows, good: RowColumns) -> StreamRates:
    generates = not len(good) or bool((good["output_tokens"] != ABSENT).any())
    return StreamRates(
        tokens=_token_rates(tokens, rows, good) if generates else None,
        prompt_tokens=_rate_per_answer(rows, good["prompt_tokens"]),
        results=_rate_per_answer(rows, good["result_count"]),
    )


def _rate_per_answer(rows: TrialRows, counts: Column) -> Rates | None:
    """Of good answers per second, times the mean of `counts`; None where that is not known."""
    mean = _mean(counts)
    return None if mean is None else rows.rates_rps() * mean


def _cached_share(good: RowColumns) -> float | None:
    """Of the tokens of prompts, where the server counts both."""
    cached, prompt = good["cached_tokens"], good["prompt_tokens"]
    known = (cached != ABSENT) & (prompt > 0)
    return float(cached[known].sum() / prompt[known].sum()) if known.any() else None


def _asked_cached_share(good: RowColumns) -> float | None:
    """Of the same tokens: what the load had sent before on purpose; None where it knows that of no prompt."""
    cached, prompt, shared = good["cached_tokens"], good["prompt_tokens"], good["shared_tokens"]
    known = (cached != ABSENT) & (prompt > 0) & (shared != ABSENT) & (shared != good["asked_prompt_tokens"])
    return float(shared[known].sum() / prompt[known].sum()) if known.any() else None


def _token_rates(tokens: StreamTokens, rows: TrialRows, good: RowColumns) -> Rates:
    """Tokens per second, without those of responses that failed; several in a piece by the server's own count."""
    counted = good.where(good["output_tokens"] != ABSENT)
    pieces = int(tokens.counts[tokens.of(counted)].sum())
    per_piece = counted["output_tokens"].sum() / pieces if pieces else 1.0
    kept = rows.everything.where(
        rows.everything.outcome_is(Outcome.OK, Outcome.WRONG, Outcome.CANCELLED, *OPEN_OUTCOMES)
    )
    rates: Rates = rows.rates_of(tokens.instants_of(tokens.of(kept)), BATCHES) * per_piece
    return rates


def _in_flight(rows: RowColumns, window: Window) -> float:
    sent = rows.where((rows["sent_ns"] != ABSENT) & (rows["done_ns"] != ABSENT))
    begin_ns = np.maximum(sent["sent_ns"], window.start_ns)
    end_ns = np.minimum(sent["done_ns"], window.end_ns)
    return float(np.maximum(end_ns - begin_ns, 0).sum() / (window.end_ns - window.start_ns))


def _parts_ms(tokens: StreamTokens, good: RowColumns) -> dict[str, float]:
    """Means over good responses: from sent to the first token, and from that to the last."""
    good = good.where(good["first_token_ns"] != ABSENT)
    if not len(good):
        return {}
    first_ns = good["first_token_ns"] - good["sent_ns"]
    decode_ns = tokens.last_ns(tokens.of(good)) - good["first_token_ns"]
    return {"first_token": float(first_ns.mean()) / NS_PER_MS, "decode": float(decode_ns.mean()) / NS_PER_MS}


def _own_value_ns(bound: Bound, tokens: StreamTokens, rows: RowColumns) -> NDArray[np.float64]:
    """The statistic that `bound` is about, of each row by itself; infinite where it never had a token."""
    kind, _, statistic = bound.metric.partition("_")
    first_ns = rows["first_token_ns"]
    if kind == "ttft":
        value_ns = (first_ns - rows["due_ns"]).astype(np.float64)
    elif kind == "tpot":
        value_ns = tokens.tpot_ns(rows).astype(np.float64)
    else:
        value_ns = tokens.own_gap_ns(rows, None if statistic == "mean" else QUANTILES.get(statistic, 1.0))
    value_ns[first_ns == ABSENT] = np.inf
    return value_ns


def _mean(column: Column) -> float | None:
    known = column[column != ABSENT]
    return float(known.mean()) if known.size else None
