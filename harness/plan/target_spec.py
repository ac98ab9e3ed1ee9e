"""What the harness knows of a target, embedded or not: its name, its knobs, and how it is started."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import UserError, unknown_name
from harness.plan.server_recipe import load_recipe
from harness.wire.protocols import HTTP_JSON

GRPC_PORT = "grpc_port"  # the knob of a target that can also speak gRPC: its port, 0 for a free one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import KnobSet, Setting
    from harness.plan.server_recipe import ServerRecipe
    from harness.wire.payload_bank import Bank

    Progress = Callable[[str, int, int], None]


class InProcessModel(Protocol):
    """A model that lives in the load process. Calls come from native threads, several at once."""

    bank: Bank

    def prepare(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """What `predict` takes, of items (n, *input_shape) in the bank's datatype; and ns by step of preprocessing."""

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Answers (n, *output_shape) to prepared inputs."""


class ClientSide(Protocol):
    """What a client does to an item before it is sent."""

    def __call__(self, item: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """The item as it is sent, or several views of it along a batch axis; and ns by step of preprocessing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """A target that this project can start.

    `command` is what follows the interpreter's name to serve it (`-m targets batched`), to which the
    harness adds `--host --port --model --knobs JSON --control-fd N`; None for a target that lives in the
    load process, which is opened by `open_model` instead. `protocol` is what clients are to speak to it.
    """

    name: str
    doc: str
    knobs: KnobSet
    models: tuple[str, ...]
    command: tuple[str, ...] | None = None
    open_model: Callable[[str, Setting], InProcessModel] | None = None
    protocol: str = HTTP_JSON
    server: ServerRecipe | None = None  # of a server that is not ours; `command` is then empty
    open_client: Callable[[str, Setting], ClientSide] | None = None  # of a model, with the knobs that decide the steps
    rivals: Callable[[str], tuple[str, ...]] = lambda model: (model,)  # models of the same task, itself included

    @property
    def speaks_grpc(self) -> bool:
        """Whether it has the knob `grpc_port`, or its recipe says where."""
        if self.server is not None:
            return bool(self.server.grpc_url)
        return any(knob.name == GRPC_PORT for knob in self.knobs)


def spec_of(recipe: ServerRecipe) -> TargetSpec:
    """A recipe as a target like any other."""
    return TargetSpec(
        name=recipe.name,
        doc=recipe.doc,
        knobs=recipe.knob_set(),
        models=recipe.models,
        command=(),
        protocol=recipe.protocol,
        server=recipe,
    )


def known_targets() -> dict[str, TargetSpec]:
    """Every target that an installed package offers (entry-point group `sweepspot.targets`: a mapping by name)."""
    targets: dict[str, TargetSpec] = {}
    for entry in entry_points(group="sweepspot.targets"):
        offered: Mapping[str, TargetSpec] = entry.load()
        targets.update(offered)
    return targets


def find_target(name: str) -> TargetSpec:
    """The target called `name`, or that of the recipe in a file. Raises UserError that names the nearest."""
    if name.endswith(".toml"):
        return spec_of(load_recipe(Path(name)))
    targets = known_targets()
    if name not in targets and ":" in name:
        raise UserError(f"--target {name}: a server is given by its URL, for example http://127.0.0.1:8000")
    if name not in targets:
        raise unknown_name("target", name, targets)
    return targets[name]
