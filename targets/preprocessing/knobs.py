"""The knobs of preprocessing: which steps run, where they run, and the padding of items of different lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import Knob, Owner
from targets.preprocessing.place import OFFLINE, PLACES
from targets.preprocessing.tensor_spec import PADDINGS

if TYPE_CHECKING:
    from harness.plan.knobs import Setting

PREPROCESS = Knob(
    name="preprocess",
    doc="Where raw items are preprocessed. offline: before the load begins; client: in the load process, for each "
    "request; server: in the server, for each request; batch: in the server, for a whole batch; graph: inside the "
    "model.",
    default=OFFLINE,
    swept=PLACES[1:],
    choices=PLACES,
    owner=Owner.PREPROCESSING,
)
CLEAN = Knob(
    name="clean",
    doc="Clean items: stretch an image's contrast, boost a sound's high frequencies, lower-case a text.",
    default=True,
    swept=(True, False),
    owner=Owner.PREPROCESSING,
)
NORMALISE = Knob(
    name="normalise",
    doc="Bring values to the range of the training data: scale an image, subtract a sound's mean spectrum.",
    default=True,
    swept=(True, False),
    owner=Owner.PREPROCESSING,
)
TTA = Knob(
    name="tta",
    doc="Test-time augmentation: the number of views of an item (shifted, words dropped) whose outputs are averaged.",
    default=1,
    swept=(1, 2, 4),
    unit="views",
    minimum=1,
    maximum=9,
    owner=Owner.PREPROCESSING,
)
PADDING = Knob(
    name="padding",
    doc="The length to which items in a batch are padded. longest: the longest of them; bucket: the next power of two, "
    "so that few shapes occur; full: the longest that the model takes.",
    default="longest",
    swept=PADDINGS,
    choices=PADDINGS,
    owner=Owner.PREPROCESSING,
)
PREPROCESSING_KNOBS = (PREPROCESS, CLEAN, NORMALISE, TTA, PADDING)


def preprocessing_conflict(setting: Setting) -> str | None:
    """Why the values of a complete setting contradict each other; None where they do not."""
    if setting["preprocess"] != OFFLINE:
        explains = setting.get("explain_method", "off") != "off"
        return "preprocess: explanations need preprocessed items; use preprocess=offline" if explains else None
    changed = [name for name in ("clean", "normalise", "tta") if setting[name] not in (True, 1)]
    where = f"preprocess={', '.join(PLACES[1:])}"
    return (
        f"{', '.join(changed)}: with preprocess=offline items arrive preprocessed; choose {where}" if changed else None
    )
