"""The instants of the pieces of a trial's streams by row, and the form that the streams have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.metrics import StreamShape
from harness.judge.stats.quantiles import nearest_rank
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import RowColumns
    from harness.record.rows import Column, Mask

    Index = NDArray[np.intp]

TEMPLATE_TOKENS = 64  # of a model's template, that first prompts may have in common
_PROMPT = ("prompt_tokens", "asked_prompt_tokens")
OFF_LENGTH = 0.05  # answers may differ by that share of the length that was asked for, and always by one token
_WORKER_BITS = 40  # a worker's running numbers stay below 2^40
_NOTHING = np.empty(0, np.int64)


class StreamTokens:
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

    def instants_of(self, streams: Index) -> Column:
        """The instants of every piece of `streams`; those of -1 have none."""
        kept = np.zeros(self.counts.size, dtype=np.bool_)
        kept[streams[streams >= 0]] = True
        return self.instants_ns[np.repeat(kept, self.counts)]

    def streamed(self, streams: Index) -> Mask:
        """Which of `streams` came at more than one instant: the others have neither gaps nor a time per token."""
        return self.last_ns(streams) > self.instants_ns[self.starts[streams]]

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

    def tpot_ns(self, rows: RowColumns) -> Column:
        """Time per output token of each row; -1 where there are not two instants.

        (last - first) / (tokens - tokens of the first piece), which is taken to hold as many as the others. With a
        token in each piece that is (last - first) / (tokens - 1).
        """
        values_ns = np.full(len(rows), -1, np.int64)
        begun = np.flatnonzero(self.of(rows) >= 0)
        several = begun[self.streamed(self.of(rows)[begun])]
        streams = self.of(rows)[several]
        pieces = self.counts[streams]
        counted = np.maximum(rows["output_tokens"][several], pieces)
        spans_ns = self.last_ns(streams) - rows["first_token_ns"][several]
        values_ns[several] = np.rint(spans_ns / (pieces - 1) * pieces / counted).astype(np.int64)
        return values_ns

    def own_gap_ns(self, rows: RowColumns, p: float | None) -> NDArray[np.float64]:
        """The `p`-quantile of each row's own gaps (rows,), or their mean where `p` is None; 0 where it has none."""
        streams = self.of(rows)
        begun = np.flatnonzero(streams >= 0)
        lengths_ns, _, place = self.gaps(streams[begun])
        counts = np.bincount(place, minlength=begun.size)
        some = counts > 0
        result = np.zeros(len(rows))
        if p is None:
            result[begun[some]] = np.bincount(place, lengths_ns, begun.size)[some] / counts[some]
            return result
        ordered_ns = lengths_ns[np.lexsort((lengths_ns, place))]
        rank = nearest_rank(counts[some], p)
        result[begun[some]] = ordered_ns[(np.cumsum(counts) - counts)[some] + rank]
        return result


def stream_shape(tokens: StreamTokens, good: RowColumns) -> StreamShape:
    """The form of the good responses, each of which has a piece."""
    streams = tokens.of(good)
    pieces, output_tokens = tokens.counts[streams], good["output_tokens"]
    usage, asked, is_stream = good["usage_tokens"], good["asked_tokens"], good["first_token_ns"] != ABSENT
    room = np.maximum(1, OFF_LENGTH * asked)
    return StreamShape(
        tokens_per_piece=float(output_tokens.sum() / pieces.sum()) if is_stream.any() else None,
        unstreamed=_share(~tokens.streamed(streams), (output_tokens > 1) & is_stream),
        undercounted=_share(usage < pieces, (usage != ABSENT) & is_stream),
        off_prompt=_share(good["prompt_tokens"] != good["asked_prompt_tokens"], _known(good, _PROMPT)),
        unasked_cached=_unasked_cached(good),
        off_length=_share(np.abs(output_tokens - asked) > room, (asked != ABSENT) & (output_tokens != ABSENT)),
    )


def _unasked_cached(good: RowColumns) -> float | None:
    """Of the tokens of prompts: what the server had in its cache beyond what the load itself had sent before."""
    rows = good.where(_known(good, ("prompt_tokens", "cached_tokens")))
    if not len(rows):
        return None
    beyond = np.maximum(rows["cached_tokens"] - _asked_cached(rows), 0)
    return float(beyond.sum() / max(1, rows["prompt_tokens"].sum()))


def unasked_hits(good: RowColumns, hits: float) -> float | None:
    """The same by the server's counters: its share of `hits` among the tokens of prompts, less what was asked for."""
    rows = good.where(_known(good, ("prompt_tokens",)))
    return hits - float(_asked_cached(rows).sum() / rows["prompt_tokens"].sum()) if len(rows) else None


def _asked_cached(rows: RowColumns) -> Column:
    """The tokens of each prompt that may be cached: what the load has sent before.

    The first prompt of a conversation may share a template with the others.
    """
    shared = rows["shared_tokens"]
    opens = (shared <= 0) | (rows["asked_prompt_tokens"] != ABSENT)
    asked: Column = np.maximum(shared, 0) + np.where(opens, TEMPLATE_TOKENS, 0)
    return asked


def _known(rows: RowColumns, names: tuple[str, ...]) -> Mask:
    known: Mask = np.logical_and.reduce([rows[name] != ABSENT for name in names])
    return known


def _share(found: Mask, known: Mask) -> float | None:
    """The share of those known in which it was found."""
    return float(found[known].mean()) if known.any() else None
