"""A pipeline: the steps from a user's raw item to what the model takes.

A step is written once, against the functions that NumPy and `keras.ops` share under the same names: with NumPy it
runs in a client, per request or per batch; with `keras.ops` it becomes part of the model's own graph.
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
    from targets.preprocessing.form import Form

SWITCHES = ("clean", "normalise")  # the steps that can be left out, by their knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, named after its column.

    Attributes:
        name: `clean`, `transform` or `normalise`.
        doc: what it does, in words.
        apply: `(xp, batch (n, *item)) -> batch (n, *item)` with xp NumPy or `keras.ops`; padding stays padding.
        graph: instead of `apply` inside a model: Keras tensor in, Keras tensor out.
    """

    name: str
    doc: str
    apply: Callable[[Any, Any], Any]
    graph: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Test-time augmentation: the model's answers to `count` views of an item are averaged. View 0 is the item.

    `apply` is `(xp, ready batch, number of the view) -> ready batch`.
    """

    doc: str
    apply: Callable[[Any, Any, int], Any]
    most: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """From `raw` to `ready`."""

    raw: Form
    ready: Form
    steps: tuple[Step, ...]
    views: Views

    def choose(self, setting: Setting) -> Pipeline:
        """The same without the steps that are switched off, and with `tta` views. Raises UserError."""
        tta = int(setting.get("tta", 1))
        if tta > self.views.most:
            raise UserError(f"tta={tta}: there are at most {self.views.most} views here ({self.views.doc})")
        dropped = {name for name in SWITCHES if not setting.get(name, True)}
        unknown = dropped - {step.name for step in self.steps}
        if unknown:
            raise UserError(f"{', '.join(sorted(unknown))}=off: this model's preprocessing has no such step")
        steps = tuple(step for step in self.steps if step.name not in dropped)
        return replace(self, steps=steps, views=replace(self.views, count=tta))

    def apply(self, batch: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """A ready batch (n * views, *ready item), an item's views side by side; and what each step took, in ns."""
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
        """Ready items, each made on its own: what the other ways to run the steps are held against."""
        import numpy as np

        if isinstance(items, tuple):
            return tuple(self.prepare_one(item)[0] for item in items)
        return np.concatenate([self.apply(chunk)[0] for chunk in _chunks(items)])

    def prepare_one(self, item: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """The item made ready (several views: along a batch axis), and what each step took, in ns."""
        ready, spent_ns = self.apply(self.raw.join([item[None]]))
        return (ready[0] if self.views.count == 1 else ready), spent_ns


def _chunks(items: NDArray[Any], size: int = 256) -> Iterable[NDArray[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
