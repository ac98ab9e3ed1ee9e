"""A recipe is a TOML file that says how an external server is started, awaited and stopped, and which knobs it has.

    name = "mosec"
    doc = "mosec with dynamic batching"
    models = ["digits-mlp"]                 # what it serves; the first is the default
    protocol = "http-json"
    command = ["{python}", "server.py", "--port", "{port}", "--batch", "{batch_size}"]

    [ready]
    path = "/v2/health/ready"

    [request]                               # to a service that speaks no known protocol: as --method, --body, --data
    body = '{"text": "{text}"}'
    data = "texts.csv"                      # from the recipe's folder
    headers = { "X-Api-Key" = "@key.txt" }  # or "${VARIABLE}"; of every request

    [knobs.batch_size]
    doc = "The most requests in one call of the model."
    default = 32
    values = [1, 8, 32]

    [knobs.batch_wait_ms]
    doc = "How long a batch waits for more requests."
    default = 0
    values = [0, 2, 10]
    needs = { batch_size = [8, 32] }        # values of others without which it has no effect
    tune = false                            # `tune` leaves it alone where no knob is named

    [[forbids]]                             # values that exclude each other
    setting = { batch_size = [32], batch_wait_ms = [10] }
    why = "a batch of 32 never waits that long"

Words of the command, values of `env`, `url`, `grpc_url`, `metrics` and `ready.path` may hold placeholders:
`{name of a knob}`, `{port}`, `{port2}`, `{port3}` (free ones), `{model}`, `{model_file}` (the reference model in
`model_format`), `{python}` (of the recipe's own environment where it has `requirements`, else of this one),
`{recipe_dir}`, `{cores}` (the number of CPU cores of the server). A word that becomes empty is left out. A boolean is
written as `true` or `false`.
"""

from __future__ import annotations

import itertools
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from harness.errors import UserError, unknown_name
from harness.plan.knobs import Knob, KnobSet, Value
from harness.system.named_secrets import without_body_secrets, without_named_secrets
from harness.wire.own.expectation_text import parse_expectation
from harness.wire.own.own_request import GRPC_METHOD, HTTP, OwnRequest
from harness.wire.protocol import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PORTS = ("port", "port2", "port3")
PLACEHOLDERS = (*PORTS, "model", "model_file", "python", "recipe_dir", "cores")
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


class ReadyCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ready once GET `path` answers 200 and a line of the output matches `line`.

    An empty condition does not count; without any, the server is ready once it accepts connections.
    """

    path: str = ""
    line: str = ""
    timeout_s: float = 60.0


class StopOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signal or command that ends the server, and the time until its process group is killed."""

    signal: str = "SIGTERM"
    timeout_s: float = 10.0
    command: tuple[str, ...] = ()  # in place of the signal


class RecipeRequest(OwnRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The requests of a service, and headers that every request to the server carries.

    A value `@FILE` is that of a file beside the recipe, `$NAME` or `${NAME}` that of the environment.
    """

    headers: dict[str, str] | tuple[str, ...] = ()  # or lines `Name: value`

    @property
    def lines(self) -> tuple[str, ...]:
        """The headers as lines `Name: value`."""
        named = self.headers
        return named if isinstance(named, tuple) else tuple(f"{name}: {value}" for name, value in named.items())

    @property
    def without_headers(self) -> OwnRequest:
        """The request as a plan holds it: a run directory has no secret."""
        return OwnRequest(**{name: getattr(self, name) for name in OwnRequest.__struct_fields__})


class RecipeKnob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One setting of the server; `values` are swept by default."""

    doc: str
    default: int | float | bool | str
    values: tuple[int | float | bool | str, ...] = ()
    choices: tuple[int | float | bool | str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    tune: bool = True  # whether `tune` turns it where no knob is named
    needs: dict[str, tuple[int | float | bool | str, ...]] = {}  # other knobs and values without which it has no effect


class Forbidden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values that exclude each other: a setting that has one of those listed for every knob in `setting`."""

    setting: dict[str, tuple[int | float | bool | str, ...]]
    why: str


class ServerRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of the TOML file; the module's docstring describes it."""

    name: str
    doc: str
    command: tuple[str, ...]
    models: tuple[str, ...] = ()  # empty: one, called as the recipe
    protocol: str = ""  # empty: that of its requests, or else DEFAULT
    request: RecipeRequest = RecipeRequest()  # to a service that speaks no known protocol
    expect: str = ""  # of its responses, as --expect
    reference: str = ""  # the reference model that predictions are compared with ("{model}": of the same name), or none
    model_format: str = ""  # "onnx" or "keras": what {model_file} is
    url: str = "http://127.0.0.1:{port}"
    grpc_url: str = ""  # "grpc://127.0.0.1:{port2}", where it speaks that too
    metrics: str = ""  # URL of Prometheus' metrics, where it is not found by itself
    directory: str = "."  # the working directory, from the recipe's
    requirements: str = ""  # a pip requirements file beside the recipe: the server gets an environment of its own
    requirements_alone: str = ""  # a second one, of packages to install without what they depend on
    interpreter: str = ""  # the Python for that environment; empty: the one of this process
    env: dict[str, str] = {}
    before: tuple[tuple[str, ...], ...] = ()  # commands that run before each start
    after: tuple[tuple[str, ...], ...] = ()  # ... and after each end
    pid_command: tuple[str, ...] = ()  # prints the process id of a server that others start for us, as docker does
    warmup_requests: int = 0  # sent one by one once it is ready
    ready: ReadyCheck = ReadyCheck()
    stop: StopOrder = StopOrder()
    knobs: dict[str, RecipeKnob] = {}
    forbids: tuple[Forbidden, ...] = ()
    path: str = ""  # where the recipe was read from

    @property
    def folder(self) -> Path:
        """The recipe's own folder."""
        return Path(self.path).parent

    def knob_set(self) -> KnobSet:
        """Its knobs, each of which takes a restart."""
        return KnobSet(self.name, tuple(_knob(name, knob) for name, knob in self.knobs.items()), self._conflict)

    def _conflict(self, setting: Mapping[str, Value]) -> str | None:
        for rule in self.forbids:
            if all(setting[name] in values for name, values in rule.setting.items()):
                return rule.why
        return None


_UNKNOWN_FIELD = re.compile(r"unknown field `[^`]*`(?: - at `([^`]*)`)?")
_TABLES = {"request": RecipeRequest, "ready": ReadyCheck, "stop": StopOrder, "knobs": RecipeKnob, "forbids": Forbidden}


def load_recipe(path: Path) -> ServerRecipe:
    """The recipe in a TOML file. Raises UserError that names the file and the field."""
    try:
        recipe = msgspec.toml.decode(path.read_bytes(), type=ServerRecipe)
    except OSError as error:
        raise UserError(f"--target {path}: cannot be read ({error.strerror}); give the path of a recipe") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--target {path}: not a recipe: {error}{_fields_there(str(error))}") from error
    protocol = recipe.protocol or (HTTP if _has_path(recipe.url) else DEFAULT)
    if recipe.request.without_headers.given:
        protocol = GRPC_METHOD if recipe.request.is_grpc else HTTP
    models = recipe.models or (recipe.name,)
    recipe = msgspec.structs.replace(_kept(recipe), path=str(path.resolve()), protocol=protocol, models=models)
    _check(recipe)
    return recipe


def _kept(recipe: ServerRecipe) -> ServerRecipe:
    """The recipe without the secrets in its URLs and bodies, which the environment holds from now on."""
    replace = msgspec.structs.replace
    url, grpc_url, metrics = without_named_secrets((recipe.url, recipe.grpc_url, recipe.metrics))
    form = tuple(map(without_body_secrets, recipe.request.form))
    request = replace(recipe.request, body=without_body_secrets(recipe.request.body), form=form)
    return replace(recipe, url=url, grpc_url=grpc_url, metrics=metrics, request=request)


def refuse_taken_names(recipe: ServerRecipe, taken: Collection[str], kind: str) -> None:
    """Raise UserError where a knob has one of the names that are `taken` by a `kind`."""
    if reserved := sorted(set(recipe.knobs) & set(taken)):
        raise UserError(f"--target {recipe.path}: knob {reserved[0]} has the name of a {kind}; choose another")


def _fields_there(error: str) -> str:
    """`; its fields are ...` where an error of msgspec names a field that its table does not have."""
    unknown = _UNKNOWN_FIELD.search(error)
    if unknown is None:
        return ""
    place = (unknown[1] or "$").removeprefix("$.").partition("[")[0]
    return f"; its fields are {', '.join(_TABLES.get(place, ServerRecipe).__struct_fields__)}"


def _has_path(url: str) -> bool:
    """Whether a URL names more than a host: then it is that of a service, whose requests are sent there."""
    return bool(urlsplit(_PLACEHOLDER.sub("1", url)).path.strip("/"))


def filled(text: str, values: Mapping[str, object]) -> str:
    """`text` with its placeholders replaced."""
    return _PLACEHOLDER.sub(lambda match: _word(values[match[1]]), text)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(recipe: ServerRecipe) -> None:
    where = f"--target {recipe.path}"
    if not recipe.command:
        raise UserError(f"{where}: command is empty; give at least one word")
    if recipe.expect:
        parse_expectation(recipe.expect, f"{where}: expect")
    known = (*recipe.knobs, *PLACEHOLDERS)
    refuse_taken_names(recipe, PLACEHOLDERS, "placeholder")
    commands = (recipe.command, recipe.stop.command, recipe.pid_command, *recipe.before, *recipe.after)
    texts = [*itertools.chain(*commands), *recipe.env.values(), *_addresses(recipe), recipe.reference]
    for name in (match[1] for text in texts for match in _PLACEHOLDER.finditer(text)):
        if name not in known:
            raise unknown_name(f"placeholder in {recipe.path}", f"{{{name}}}", [f"{{{each}}}" for each in known])
    unused = [name for name in recipe.knobs if not any(f"{{{name}}}" in text for text in texts)]
    if unused:
        raise UserError(f"{where}: knob {unused[0]} does nothing; use {{{unused[0]}}} in command or env")
    named = [name for knob in recipe.knobs.values() for name in knob.needs]
    for name in (*named, *(name for rule in recipe.forbids for name in rule.setting)):
        if name not in recipe.knobs:
            raise unknown_name(f"knob in {recipe.path}", name, recipe.knobs)
    if not hasattr(signal, recipe.stop.signal):
        raise UserError(f"{where}: stop.signal {recipe.stop.signal} is no signal; write for example SIGTERM")


def _addresses(recipe: ServerRecipe) -> tuple[str, ...]:
    return recipe.url, recipe.grpc_url, recipe.metrics, recipe.ready.path


def _knob(name: str, given: RecipeKnob) -> Knob:
    default = _like(given.default, given.values)
    swept = tuple(_like(value, given.values) for value in given.values) or (default,)
    return Knob(
        name=name,
        doc=given.doc,
        default=default,
        swept=swept,
        unit=given.unit,
        minimum=given.minimum,
        maximum=given.maximum,
        choices=given.choices,
        tuned=swept if given.tune and len(swept) > 1 else (),
        needs=tuple(given.needs.items()),
    )


def _like(value: Value, others: tuple[Value, ...]) -> Value:
    """A whole number among fractions is one of them."""
    fractions = any(isinstance(other, float) for other in others)
    return float(value) if fractions and type(value) is int else value
