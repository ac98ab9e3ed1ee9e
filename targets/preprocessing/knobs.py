"""The knobs of preprocessing: which steps, where they run, and how items of different lengths are padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import Knob, Owner
from targets.preprocessing.form import PADDINGS
from targets.preprocessing.place import OFFLINE, PLACES

if TYPE_CHECKING:
    from harness.plan.knobs import Setting

PREPROCESS = Knob(
    name="preprocess",
    doc="Where raw items are made ready for the model: offline: before the load begins; client: in the load process, "
    "for each request; server: in the server, for each request; batch: in the server, for a batch at once; graph: in "
    "the model itself.",
    default=OFFLINE,
    swept=PLACES[1:],
    choices=PLACES,
    owner=Owner.PREPROCESSING,
)
CLEAN = Knob(
    name="clean",
    doc="Clean items first: stretch a picture's contrast, boost a sound's high frequencies, lower-case a text.",
    default=True,
    swept=(True, False),
    owner=Owner.PREPROCESSING,
)
NORMALISE = Knob(
    name="normalise",
    doc="Bring values to the range that the model was trained on: scale a picture, take out a sound's mean bands.",
    default=True,
    swept=(True, False),
    owner=Owner.PREPROCESSING,
)
TTA = Knob(
    name="tta",
    doc="Test-time augmentation: the answers to so many views of an item (shifted, thinned out) are averaged; 1: none.",
    default=1,
    swept=(1, 2, 4),
    unit="views",
    minimum=1,
    maximum=9,
    owner=Owner.PREPROCESSING,
)
PADDING = Knob(
    name="padding",
    doc="What items of different lengths in a batch are padded to: longest: the longest of them; bucket: the next "
    "power of two, so that few shapes occur; full: the longest that the model takes.",
    default="longest",
    swept=PADDINGS,
    choices=PADDINGS,
    owner=Owner.PREPROCESSING,
)
PREPROCESSING_KNOBS = (PREPROCESS, CLEAN, NORMALISE, TTA, PADDING)


def preprocessing_conflict(setting: Setting) -> str | None:
    """Why the values of a complete setting do not go together; None where they do."""
    if setting["preprocess"] != OFFLINE:
        explains = setting.get("explain_method", "off") != "off"
        return "preprocess: explanations are of what the model takes; use preprocess=offline" if explains else None
    changed = [name for name in ("clean", "normalise", "tta") if setting[name] not in (True, 1)]
    where = f"preprocess={', '.join(PLACES[1:])}"
    return f"{', '.join(changed)}: with preprocess=offline items come ready; choose {where}" if changed else None
