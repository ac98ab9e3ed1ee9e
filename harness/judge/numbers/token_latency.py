"""Figures of streamed responses, from the instant of every token.

Time to first token counts from when the request was due, as response time does, and a request still open without one
counts with its age, as "at least". Inter-token latency is every single gap of every stream, in the order in which the
gaps ended: neighbours share the steps of the server, which the intervals allow for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.metrics import StreamMetrics
from harness.judge.numbers.latency import pooled_latency
from harness.judge.numbers.run_noises import THROUGHPUT
from harness.judge.numbers.throughput import pooled_rate
from harness.judge.numbers.time_split import weighted
from harness.judge.numbers.trial_rows import OPEN_OUTCOMES
from harness.judge.slo_check import QUANTILES
from harness.judge.stats.durations import Durations
from harness.judge.stats.mean_intervals import BATCHES
from harness.judge.stats.quantiles import nearest_rank
from harness.plan.slo import STREAM_KINDS
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.judge.numbers.run_noises import RunNoises
    from harness.judge.numbers.throughput import Rates
    from harness.judge.numbers.trial_rows import RowColumns, TrialRows
    from harness.plan.slo import Bound, Slo
    from harness.record.rows import Column, Mask, Window
    from harness.record.trial_data import TrialData

    Index = NDArray[np.intp]

_WORKER_BITS = 40  # a worker's running numbers stay below 2^40
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class StreamSample:
    """One trial's streams: durations to pool, token rates (batches,), means, and what `trial_split` is told."""

    ttft: Durations
    itl: Durations
    tpot: Durations
    token_rates: Rates
    prompt_tokens: float | None
    output_tokens: float | None
    in_flight: float
    good: int
    parts_ms: dict[str, float]
    metrics: StreamMetrics = field(init=False)

    def __post_init__(self) -> None:
        metrics = StreamMetrics(
            ttft=pooled_latency([self.ttft]),
            itl=pooled_latency([self.itl]),
            tpot=pooled_latency([self.tpot]),
            tokens_per_s=pooled_rate([self.token_rates]),
            prompt_tokens=self.prompt_tokens,
            output_tokens=self.output_tokens,
            in_flight=self.in_flight,
        )
        object.__setattr__(self, "metrics", metrics)


def stream_sample(evidence: TrialData, trial: TrialRows) -> StreamSample | None:
    """The streams of one trial; None where answers were not streamed."""
    if evidence.tokens is None:
        return None
    tokens = _Tokens(evidence.tokens)
    good = trial.good.where(tokens.of(trial.good) >= 0)
    still_open = trial.judged.where(trial.judged.outcome_is(*OPEN_OUTCOMES))
    return StreamSample(
        ttft=_ttft(trial.judged),
        itl=_itl(tokens, good, still_open),
        tpot=_tpot(tokens, good),
        token_rates=_token_rates(tokens, trial, good),
        prompt_tokens=_mean(good["prompt_tokens"]),
        output_tokens=_mean(good["output_tokens"]),
        in_flight=_in_flight(trial.everything, trial.window),
        good=len(good),
        parts_ms=_parts_ms(tokens, good),
    )


def pooled_streams(samples: Sequence[StreamSample], noises: RunNoises) -> StreamMetrics | None:
    """The streams of all repeats: gaps and times are put together, never percentiles averaged."""
    if not samples:
        return None
    latencies = {
        kind: pooled_latency([getattr(sample, kind) for sample in samples], noises.of(kind)) for kind in STREAM_KINDS
    }
    return StreamMetrics(
        **latencies,
        tokens_per_s=pooled_rate([sample.token_rates for sample in samples], noises.of(THROUGHPUT)),
        prompt_tokens=weighted([(sample.prompt_tokens, sample.good) for sample in samples]),
        output_tokens=weighted([(sample.output_tokens, sample.good) for sample in samples]),
        in_flight=sum(sample.in_flight for sample in samples) / len(samples),
    )


def rows_within_slo(evidence: TrialData, trial: TrialRows, slo: Slo) -> Mask | None:
    """Which of all rows keep every stream bound of `slo` on their own; None where it has none.

    Of its gaps a stream must keep the statistic that the bound names: `itl_p99` is the 99th percentile of its own.
    """
    bounds = [bound for bound in slo.bounds if bound.metric.partition("_")[0] in STREAM_KINDS]
    if not bounds or evidence.tokens is None:
        return None
    tokens, rows = _Tokens(evidence.tokens), trial.everything
    kept: Mask = np.ones(len(rows), dtype=np.bool_)
    for bound in bounds:
        value_ns = _own_value_ns(bound, tokens, rows)
        kept &= value_ns <= bound.limit * NS_PER_MS
    return kept


class _Tokens:
    """The token instants of a trial, flat, and where those of each row are."""

    def __init__(self, table: pa.Table) -> None:
        lists = table.column("instants_ns").combine_chunks()
        offsets = lists.offsets.to_numpy() if table.num_rows else np.zeros(1, np.int64)
        self.instants_ns: Column = lists.flatten().to_numpy() if table.num_rows else _NOTHING
        self.starts: Index = (offsets[:-1] - offsets[0]).astype(np.intp)
        self.counts: Index = np.diff(offsets).astype(np.intp)
        worker, request = (table.column(name).to_numpy().astype(np.int64) for name in ("worker", "request"))
        keys = (worker << _WORKER_BITS) + request
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def of(self, rows: RowColumns) -> Index:
        """The stream of each row (rows,); -1 where no token came."""
        keys = (rows["worker"] << _WORKER_BITS) + rows["request"]
        if not self._keys.size:
            return np.full(keys.size, -1, np.intp)
        at = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        return np.where(self._keys[at] == keys, self._order[at], -1)

    def last_ns(self, streams: Index) -> Column:
        """When the last token of each stream came."""
        last_ns: Column = self.instants_ns[self.starts[streams] + self.counts[streams] - 1]
        return last_ns

    def gaps(self, streams: Index) -> tuple[Column, Column, Index]:
        """Every gap of `streams`: its length, when it ended, and the place of its stream among them."""
        gaps = np.maximum(self.counts[streams] - 1, 0)
        place = np.repeat(np.arange(streams.size), gaps)
        within = np.arange(place.size) - np.repeat(np.cumsum(gaps) - gaps, gaps)
        end = self.starts[streams][place] + within + 1
        return self.instants_ns[end] - self.instants_ns[end - 1], self.instants_ns[end], place


def _ttft(due: RowColumns) -> Durations:
    first_ns = due["first_token_ns"]
    came = first_ns != ABSENT
    waits = due.outcome_is(*OPEN_OUTCOMES) & ~came
    counted = (due.outcome_is(Outcome.OK, *OPEN_OUTCOMES) & came) | waits
    until_ns = np.where(came, first_ns, due["done_ns"])
    return Durations(np.maximum(until_ns - due["due_ns"], 0)[counted], waits[counted])


def _itl(tokens: _Tokens, good: RowColumns, still_open: RowColumns) -> Durations:
    """Gaps between tokens; the last one of a stream still open is at least as long as it was waited for."""
    open_streams = tokens.of(still_open)
    begun = open_streams >= 0
    lengths_ns, ends_ns, _ = tokens.gaps(np.concatenate([tokens.of(good), open_streams[begun]]))
    given_up_ns = still_open["done_ns"][begun]
    values_ns = np.concatenate([lengths_ns, given_up_ns - tokens.last_ns(open_streams[begun])])
    censored = np.zeros(values_ns.size, dtype=np.bool_)
    censored[lengths_ns.size :] = True
    order = np.argsort(np.concatenate([ends_ns, given_up_ns]), kind="stable")
    return Durations(np.maximum(values_ns, 0)[order], censored[order])


def _tpot(tokens: _Tokens, good: RowColumns) -> Durations:
    values_ns = _tpot_ns(tokens, good)
    values_ns = values_ns[values_ns >= 0]
    return Durations(values_ns, np.zeros(values_ns.size, dtype=np.bool_))


def _tpot_ns(tokens: _Tokens, rows: RowColumns) -> Column:
    """Time per output token of each row; -1 where there are not two tokens."""
    streams = tokens.of(rows)
    several = (rows["output_tokens"] > 1) & (streams >= 0)
    values_ns = np.full(len(rows), -1, np.int64)
    spans_ns = tokens.last_ns(streams[several]) - rows["first_token_ns"][several]
    values_ns[several] = np.rint(spans_ns / (rows["output_tokens"][several] - 1)).astype(np.int64)
    return values_ns


def _token_rates(tokens: _Tokens, trial: TrialRows, good: RowColumns) -> Rates:
    """Tokens per second; a server that sends several at once is taken at its own count."""
    streams = tokens.of(good)
    pieces = int(tokens.counts[streams].sum())
    per_piece = good["output_tokens"].sum() / pieces if pieces else 1.0
    rates: Rates = trial.rates_of(tokens.instants_ns, BATCHES) * per_piece
    return rates


def _in_flight(rows: RowColumns, window: Window) -> float:
    sent = rows.where((rows["sent_ns"] != ABSENT) & (rows["done_ns"] != ABSENT))
    begin_ns = np.maximum(sent["sent_ns"], window.start_ns)
    end_ns = np.minimum(sent["done_ns"], window.end_ns)
    return float(np.maximum(end_ns - begin_ns, 0).sum() / (window.end_ns - window.start_ns))


def _parts_ms(tokens: _Tokens, good: RowColumns) -> dict[str, float]:
    """Means over good answers: from sent to the first token, and from that to the last."""
    if not len(good):
        return {}
    first_ns = good["first_token_ns"] - good["sent_ns"]
    decode_ns = tokens.last_ns(tokens.of(good)) - good["first_token_ns"]
    return {"first_token": float(first_ns.mean()) / NS_PER_MS, "decode": float(decode_ns.mean()) / NS_PER_MS}


def _own_value_ns(bound: Bound, tokens: _Tokens, rows: RowColumns) -> NDArray[np.float64]:
    """The statistic that `bound` is about, of each row by itself; infinite where it never had a token."""
    kind, _, statistic = bound.metric.partition("_")
    first_ns = rows["first_token_ns"]
    if kind == "ttft":
        value_ns = (first_ns - rows["due_ns"]).astype(np.float64)
    elif kind == "tpot":
        value_ns = _tpot_ns(tokens, rows).astype(np.float64)
    else:
        value_ns = _own_gap_ns(statistic, tokens, rows)
    value_ns[first_ns == ABSENT] = np.inf
    return value_ns


def _own_gap_ns(statistic: str, tokens: _Tokens, rows: RowColumns) -> NDArray[np.float64]:
    """A statistic of each row's own gaps (rows,); 0 where it has none."""
    streams = tokens.of(rows)
    begun = np.flatnonzero(streams >= 0)
    lengths_ns, _, place = tokens.gaps(streams[begun])
    counts = np.bincount(place, minlength=begun.size)
    some = counts > 0
    result = np.zeros(len(rows))
    if statistic == "mean":
        result[begun[some]] = np.bincount(place, lengths_ns, begun.size)[some] / counts[some]
        return result
    ordered_ns = lengths_ns[np.lexsort((lengths_ns, place))]
    rank = nearest_rank(counts[some], QUANTILES.get(statistic, 1.0))
    result[begun[some]] = ordered_ns[(np.cumsum(counts) - counts)[some] + rank]
    return result


def _mean(column: Column) -> float | None:
    known = column[column != ABSENT]
    return float(known.mean()) if known.size else None
