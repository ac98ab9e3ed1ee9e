"""Where a model's preprocessing happens, as the knobs say: what travels on the wire, and what the model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from targets.preprocessing.form import LONGEST

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from targets.preprocessing.form import Form
    from targets.preprocessing.pipeline import Pipeline

OFFLINE, CLIENT, SERVER, BATCH, GRAPH = "offline", "client", "server", "batch", "graph"
CHOSEN = ("clean", "normalise", "tta")
PLACES = (OFFLINE, CLIENT, SERVER, BATCH, GRAPH)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The steps that are taken, and where: `place` is one of PLACES."""

    place: str
    pipeline: Pipeline
    padding: str
    choice: Setting  # the knobs that decide the steps

    @property
    def wire(self) -> Form:
        """What clients send."""
        return self.pipeline.ready if self.place in (OFFLINE, CLIENT) else self.pipeline.raw

    @property
    def taken(self) -> Form:
        """What the model, as it is loaded, takes."""
        return self.pipeline.raw if self.place == GRAPH else self.pipeline.ready

    @property
    def steps_here(self) -> bool:
        """Whether the server takes the steps, outside the model."""
        return self.place in (SERVER, BATCH)

    @property
    def name(self) -> str:
        """Fit for a file: which steps are taken, and how many views are averaged."""
        return "-".join([*(step.name for step in self.pipeline.steps), f"tta{self.pipeline.views.count}"])


def preprocessing_of(pipeline: Pipeline, setting: Setting) -> Preprocessing:
    """What `setting` makes of `pipeline`; a target without such knobs takes what is ready. Raises UserError."""
    choice = {name: setting[name] for name in CHOSEN if name in setting}
    place, padding = str(setting.get("preprocess", OFFLINE)), str(setting.get("padding", LONGEST))
    return Preprocessing(place, pipeline.choose(choice), padding, choice)
