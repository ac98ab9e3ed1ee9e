"""A preprocessing pipeline: the steps from a raw item to the model's input.

A step is written once, against the functions that NumPy and `keras.ops` share under the same names. With NumPy it runs
in a client, per request or per batch; with `keras.ops` it becomes part of the model's graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.clock import monotonic_ns
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from harness.wire.payload_bank import Items
    from targets.preprocessing.tensor_spec import TensorSpec

SWITCHES = ("clean", "normalise")  # steps that a knob of the same name turns off


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; its name is also that of its column in the rows.

    Attributes:
        name: `clean`, `transform` or `normalise`.
        doc: a description.
        apply: `(xp, batch (n, *item)) -> batch (n, *item)` with xp NumPy or `keras.ops`; it must keep padding as it is.
        graph: replaces `apply` inside a model: Keras tensor in, Keras tensor out.
    """

    name: str
    doc: str
    apply: Callable[[Any, Any], Any]
    graph: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Test-time augmentation: the model's outputs for `count` views of an item are averaged. View 0 is the item.

    `apply` is `(xp, preprocessed batch, number of the view) -> preprocessed batch`.
    """

    doc: str
    apply: Callable[[Any, Any, int], Any]
    most: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The steps from `raw` to `ready` (preprocessed) items."""

    raw: TensorSpec
    ready: TensorSpec
    steps: tuple[Step, ...]
    views: Views

    def choose(self, setting: Setting) -> Pipeline:
        """The pipeline without the steps that `setting` turns off, and with `tta` views. Raises UserError."""
        tta = int(setting.get("tta", 1))
        if tta > self.views.most:
            raise UserError(f"tta={tta}: this model has at most {self.views.most} views ({self.views.doc})")
        dropped = {name for name in SWITCHES if not setting.get(name, True)}
        unknown = dropped - {step.name for step in self.steps}
        if unknown:
            raise UserError(f"{', '.join(sorted(unknown))}=off: this model's preprocessing has no such step")
        steps = tuple(step for step in self.steps if step.name not in dropped)
        return replace(self, steps=steps, views=replace(self.views, count=tta))

    def apply(self, batch: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """Preprocess a batch: (n * views, *ready item), the views of an item next to each other, and ns per step."""
        import numpy as np

        spent_ns: dict[str, int] = {}
        for step in self.steps:
            start_ns = monotonic_ns()
            batch = step.apply(np, batch)
            spent_ns[step.name] = monotonic_ns() - start_ns
        shape = batch.shape[:2] if self.ready.ragged else batch.shape[:1]
        tail = self.ready.shape[1:] if self.ready.ragged else self.ready.shape
        batch = np.ascontiguousarray(batch, dtype=self.ready.dtype).reshape(*shape, *tail)
        if self.views.count > 1:
            start_ns = monotonic_ns()
            views = [self.views.apply(np, batch, number) for number in range(self.views.count)]
            batch = np.stack(views, axis=1).reshape(-1, *batch.shape[1:])
            spent_ns["augment"] = monotonic_ns() - start_ns
        return batch, spent_ns

    def prepare(self, items: Items) -> Items:
        """Preprocess items one by one (the reference for the other places where the steps can run)."""
        import numpy as np

        if isinstance(items, tuple):
            return tuple(self.prepare_one(item)[0] for item in items)
        return np.concatenate([self.apply(chunk)[0] for chunk in _chunks(items)])

    def prepare_one(self, item: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """Preprocess one item (several views: along a batch axis). Also returns ns per step."""
        ready, spent_ns = self.apply(self.raw.join([item[None]]))
        return (ready[0] if self.views.count == 1 else ready), spent_ns


def _chunks(items: NDArray[Any], size: int = 256) -> Iterable[NDArray[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
