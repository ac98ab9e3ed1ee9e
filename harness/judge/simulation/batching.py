"""How a measured target batched: as the user set it, by its defaults, or as its batches show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.target_spec import find_target

if TYPE_CHECKING:
    from harness.plan.knobs import Setting

BATCHING = ("batch_size", "batch_wait_ms")


def batching_of(target: str, setting: Setting, largest: int) -> Setting:
    """The knobs of batching under `setting`, complete.

    largest: rows of the largest batch that was seen; taken for `batch_size` where the target has no knob for it, as a
    server by URL. Raises UserError where the target is not known any more.
    """
    return {"batch_size": largest, "batch_wait_ms": 0.0, **known_batching(target, setting)}


def known_batching(target: str, setting: Setting) -> Setting:
    """The knobs of batching that the target has, with its defaults for what `setting` leaves out. Raises UserError."""
    known = {**find_target(target).knobs.defaults(), **setting}
    return {name: known[name] for name in BATCHING if name in known}
