"""The four kinds of target, and what is known of each before it is started.

A target is *embedded* where its server belongs to this project, and *external* where the server is somebody else's:
started by a recipe, or running already and given by its URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlsplit

from harness.errors import UserError, unknown_name
from harness.plan.knobs import KnobSet
from harness.plan.server_recipe import load_recipe, refuse_taken_names
from harness.wire.protocol import AUTO, DEFAULT, Transport

MODEL_FILES = (".keras", ".onnx")
GRPC_PORT = "grpc_port"  # the knob of a target that can also speak gRPC: its port, 0 for a free one
_BETWEEN_URLS = re.compile(r",(?=[a-z]+://)")  # a comma may also stand in a query

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from harness.plan.server_recipe import ServerRecipe
    from harness.wire.payload_bank import Bank

    Progress = Callable[[str, int, int], None]


def is_model_file(name: str) -> bool:
    """Whether a model is given by the path of its file."""
    return name.endswith(MODEL_FILES)


def refuse_other_files(name: str) -> None:
    """Raise UserError where a model is given by a file of another kind."""
    if Path(name).is_file():
        kinds = " or ".join(MODEL_FILES)
        raise UserError(f"--model {name}: a model's file ends in {kinds}; export it, from PyTorch by torch.onnx.export")


class InProcessModel(Protocol):
    """A model inside the load process. Native threads call it, several at once."""

    bank: Bank

    def prepare(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """Preprocess items (n, *input_shape) in the bank's datatype for `predict`; with the ns of each step."""

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Predictions (n, *output_shape) for preprocessed inputs."""


class ClientSide(Protocol):
    """The preprocessing that a client does to an item before it sends it."""

    def __call__(self, item: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """The item as it is sent, or several views of it along a batch axis; with the ns of each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProjectTarget:
    """What the targets of this project have in common.

    `models` are the models it can serve, the default first. `rivals(model)` are the models of the same task, itself
    included. `open_client(model, setting)` is the preprocessing of its clients; None where it has none.
    """

    name: str
    doc: str
    knobs: KnobSet
    models: tuple[str, ...]
    rivals: Callable[[str], tuple[str, ...]] = lambda model: (model,)
    open_client: Callable[[str, Setting], ClientSide] | None = None
    takes_files: bool = False  # whether it serves models of the user's own, given by their files
    knobs_of_file: Callable[[KnobSet, str], KnobSet] = lambda knobs, _: knobs  # those with which it serves a file

    def serves(self, model: str) -> bool:
        """Whether it can serve the model."""
        return model in self.models or (self.takes_files and is_model_file(model))


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcessTarget(_ProjectTarget):
    """A model inside the load process: no server, nothing is sent."""

    protocol: ClassVar[str] = ""
    open_model: Callable[[str, Setting], InProcessModel]

    def speaks(self, protocol: str) -> bool:
        """No protocol at all."""
        del protocol
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedTarget(_ProjectTarget):
    """A server of this project.

    `command` follows the interpreter's name (`-m targets batched`); the harness adds `--host --port --model
    --knobs JSON --control-fd N`. Clients speak `protocol` to it by default.
    """

    command: tuple[str, ...]
    protocol: str = DEFAULT

    def speaks(self, protocol: str) -> bool:
        """Whether it serves `protocol`: gRPC only where it has the knob `grpc_port`."""
        return not _is_grpc(protocol) or any(knob.name == GRPC_PORT for knob in self.knobs)

    def setting_for(self, protocols: Collection[str]) -> Setting:
        """The knobs without which it does not serve `protocols`."""
        wanted = any(_is_grpc(protocol) and self.speaks(protocol) for protocol in protocols)
        return {GRPC_PORT: 0} if wanted else {}


@dataclass(frozen=True, slots=True)
class RecipeTarget:
    """Somebody else's server, which the harness starts by a recipe. Every knob takes a restart."""

    recipe: ServerRecipe

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @property
    def doc(self) -> str:
        """One line that says what it is."""
        return self.recipe.doc

    @property
    def knobs(self) -> KnobSet:
        """The settings that the recipe names."""
        return self.recipe.knob_set()

    @property
    def models(self) -> tuple[str, ...]:
        """The models it can serve, the default first."""
        return self.recipe.models

    @property
    def protocol(self) -> str:
        """What clients speak to it by default; `auto`: what it is found to speak."""
        return self.recipe.protocol

    def serves(self, model: str) -> bool:
        """Whether the recipe names the model."""
        return model in self.models

    def rivals(self, model: str) -> tuple[str, ...]:
        """The model alone: a recipe does not say which models have the same task."""
        return (model,)

    def speaks(self, protocol: str) -> bool:
        """Whether the recipe says where `protocol` is served: gRPC beside HTTP has a URL of its own."""
        return protocol == self.recipe.protocol or not _is_grpc(protocol) or bool(self.recipe.grpc_url)

    def setting_for(self, protocols: Collection[str]) -> Setting:
        """Empty: no knob of a recipe decides what it speaks."""
        del protocols
        return {}


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """Somebody else's server that runs already. It has no knobs, and its models are unknown.

    `others` are further servers of the same kind: conversations are spread over all of them.
    """

    url: str
    others: tuple[str, ...] = ()
    doc: ClassVar[str] = "a server that runs already"
    models: ClassVar[tuple[str, ...]] = ()
    protocol: ClassVar[str] = AUTO

    @property
    def name(self) -> str:
        """Its URL, or those of all."""
        return ",".join((self.url, *self.others))

    @property
    def knobs(self) -> KnobSet:
        """None."""
        return KnobSet(f"a target given by its URL ({self.name})", ())

    def serves(self, model: str) -> bool:
        """Unknown before it is asked."""
        del model
        return True

    def rivals(self, model: str) -> tuple[str, ...]:
        """The model alone."""
        return (model,)

    def speaks(self, protocol: str) -> bool:
        """Unknown before it is asked, so any protocol may be tried."""
        del protocol
        return True


def _is_grpc(protocol: str) -> bool:
    from harness.wire.protocols import find_protocol

    return protocol != AUTO and find_protocol(protocol).transport is Transport.GRPC


def knobs_for(spec: TargetSpec, model: str) -> KnobSet:
    """The knobs with which a target serves `model`: not every value can run each file of a model."""
    if isinstance(spec, (RecipeTarget, UrlTarget)) or not (spec.takes_files and is_model_file(model)):
        return spec.knobs
    return spec.knobs_of_file(spec.knobs, model)


ProjectTarget = InProcessTarget | EmbeddedTarget
StartedTarget = EmbeddedTarget | RecipeTarget  # the harness starts its server
NamedTarget = InProcessTarget | EmbeddedTarget | RecipeTarget
ExternalTarget = RecipeTarget | UrlTarget
TargetSpec = InProcessTarget | EmbeddedTarget | RecipeTarget | UrlTarget


def installed(group: str) -> dict[str, Any]:
    """What the installed packages offer in an entry-point group, of which each entry is a mapping by name."""
    return {name: spec for entry in entry_points(group=group) for name, spec in entry.load().items()}


def known_targets() -> dict[str, NamedTarget]:
    """Every target that an installed package offers, by name."""
    return installed("sweepspot.targets")


def project_targets() -> dict[str, ProjectTarget]:
    """The known targets without those of recipes, by name."""
    return {name: target for name, target in known_targets().items() if not isinstance(target, RecipeTarget)}


def is_url(target: str) -> bool:
    """Whether a target is given by its URL, so that its server is not started here."""
    return "://" in target


def find_target(text: str) -> TargetSpec:
    """The target that `--target` names: a URL, the TOML file of a recipe, or a name. Raises UserError."""
    if is_url(text):
        urls = _BETWEEN_URLS.split(text)
        first, *others = [url.rstrip("/") if urlsplit(url).path == "/" else url for url in urls]
        return UrlTarget(first, tuple(others))
    return find_named(text)


def find_named(name: str) -> NamedTarget:
    """The target called `name`, or that of the recipe in a TOML file. Raises UserError, with the nearest name."""
    if name.endswith(".toml"):
        from harness.plan.load_knobs import LOAD_KNOBS  # with all protocols, which naming the targets does not need

        recipe = load_recipe(Path(name))
        refuse_taken_names(recipe, [knob.name for knob in LOAD_KNOBS], "knob of the load")
        return RecipeTarget(recipe)
    targets = known_targets()
    if name not in targets and ":" in name:
        raise UserError(f"--target {name}: a server is given by its URL, for example http://127.0.0.1:8000")
    if name not in targets:
        raise unknown_name("target", name, targets)
    return targets[name]
