"""Where a model's preprocessing runs, and hence what clients send and what the model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from targets.preprocessing.tensor_spec import LONGEST

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from targets.preprocessing.pipeline import Pipeline
    from targets.preprocessing.tensor_spec import TensorSpec

OFFLINE, CLIENT, SERVER, BATCH, GRAPH = "offline", "client", "server", "batch", "graph"
CHOSEN = ("clean", "normalise", "tta")
PLACES = (OFFLINE, CLIENT, SERVER, BATCH, GRAPH)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The chosen steps, and where they run: `place` is one of PLACES."""

    place: str
    pipeline: Pipeline
    padding: str
    choice: Setting  # the knobs that decide the steps

    @property
    def wire(self) -> TensorSpec:
        """The items that clients send."""
        return self.pipeline.ready if self.place in (OFFLINE, CLIENT) else self.pipeline.raw

    @property
    def model_input(self) -> TensorSpec:
        """The items that the loaded model takes."""
        return self.pipeline.raw if self.place == GRAPH else self.pipeline.ready

    @property
    def in_server(self) -> bool:
        """Whether the server runs the steps outside the model."""
        return self.place in (SERVER, BATCH)

    @property
    def name(self) -> str:
        """A name for files: the chosen steps and the number of views."""
        return "-".join([*(step.name for step in self.pipeline.steps), f"tta{self.pipeline.views.count}"])


def preprocessing_of(pipeline: Pipeline, setting: Setting) -> Preprocessing:
    """`pipeline` as `setting` chooses; a target without these knobs takes preprocessed items. Raises UserError."""
    choice = {name: setting[name] for name in CHOSEN if name in setting}
    place, padding = str(setting.get("preprocess", OFFLINE)), str(setting.get("padding", LONGEST))
    return Preprocessing(place, pipeline.choose(choice), padding, choice)
