"""The options that `sweep` and `run` share, and their types."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.arrivals import KINDS, parse_seconds, parse_stages
from harness.cli.chat_options import CHAT_OPTIONS, chat_words
from harness.cli.foreign_options import FOREIGN_OPTIONS, foreign_fields
from harness.errors import UserError
from harness.planning import DEFAULT_WARMUP_SECONDS, ArrivalChoice, Request
from harness.scenario import find_scenario
from harness.scenario_defaults import scenario_defaults
from harness.slo import Slo, parse_slo
from harness.wire.access import TLS_CA, TOKEN_FILE, Access
from harness.wire.protocols import AUTO, protocol_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.target import TargetSpec

DEFAULT_SCENARIO = "scenarios/predict.py"
MAX_PORT = 65_536
DEFAULT_SLO = "p99<50ms"
DEFAULT_MAX_SECONDS = 60.0


class Duration(click.ParamType[float]):
    """Seconds, from `500ms`, `2s`, `1m` or a bare number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float."""
        del ctx
        if isinstance(value, (int, float)):
            return float(value)
        return parse_seconds(value, param.opts[0] if param else "duration")


class Share(click.ParamType[float]):
    """A share of 1, from `5%` or `0.05`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Between 0 and 1, both excluded."""
        del ctx
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            flag = param.opts[0] if param else "share"
            raise UserError(f"{flag} {value}: give a share above 0 % and below 100 %, for example 5%")
        return share


class IntList(click.ParamType[tuple[int, ...]]):
    """Whole numbers of one or more, separated by commas."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """A tuple without repetitions, in the given order."""
        del ctx
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(dict.fromkeys(int(part) for part in value.split(",")))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            flag = param.opts[0] if param else "list"
            raise UserError(f"{flag} {value!r}: give whole numbers of 1 or more, for example 1,8,32")
        return numbers


class SloType(click.ParamType[Slo | None]):
    """Bounds such as `p99<50ms,errors<1%`, or `none`."""

    name = "bounds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Slo | None:
        """An Slo; None for `none`."""
        del param, ctx
        if isinstance(value, Slo) or value is None or value == "none":
            return None if value == "none" else value
        return parse_slo(value)


def _for_children(name: str, path: str | None) -> str | None:
    """Name the file in the environment, from which this process and its children take it."""
    if path:
        os.environ[name] = path
    Access.find()
    return path


TOKEN_OPTION = click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    callback=lambda _, __, path: _for_children(TOKEN_FILE, path),
    expose_value=False,
    help="File with the bearer token that requests carry and an embedded target asks for; or set SWEEPSPOT_TOKEN. "
    "(The token itself is no option: others could read it in the list of processes.)",
)


def _take_defaults(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """What the scenario wants stands in for the defaults here; what the user writes counts more than either."""
    del param
    ctx.default_map = {**(ctx.default_map or {}), **scenario_defaults(Path(find_scenario(value)))}
    return value


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--target",
        default="batched",
        show_default=True,
        metavar="NAME|URL|RECIPE.toml",
        help="An embedded target (see `harness knobs`), http://host:port (grpc://host:port) of a server that runs, or "
        "a recipe that starts one: a name such as mosec, or a file (see targets/external/README.md).",
    ),
    click.option(
        "--model",
        default="",
        help="The model to serve, or its name on a URL.  [default: the scenario's, digits-mlp for predict]",
    ),
    *FOREIGN_OPTIONS,
    click.option(
        "--protocol",
        default=AUTO,
        show_default=True,
        metavar="NAME",
        help="http-json (v2), http-binary (v2-binary), grpc, tfs, or plain JSON such as "
        "json:/predict?send=inputs[]&take=outputs.0; auto asks a URL. Also a knob: `sweep protocol`.",
    ),
    click.option(
        "--scenario",
        default=DEFAULT_SCENARIO,
        show_default=True,
        type=click.Path(),
        metavar="NAME|FILE",
        is_eager=True,
        callback=_take_defaults,
        help="What is sent: predict, image, speech, text, agent, ... or a locustfile; it may have defaults of its own.",
    ),
    click.option(
        "--check",
        type=click.Choice(["all", "sample", "off"]),
        default="all",
        show_default=True,
        help="Compare answers with the model's own offline ones; off for a foreign model.",
    ),
    click.option(
        "--tls-ca",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        callback=lambda _, __, path: _for_children(TLS_CA, path),
        expose_value=False,
        help="Certificates (PEM) to believe in place of the system's, for an https URL.",
    ),
    TOKEN_OPTION,
    click.option(
        "--seconds",
        type=Duration(),
        default=None,
        help="Measured time of each trial.  [default: 2s; 5s with --precision; all of stages or a trace]",
    ),
    click.option(
        "--precision",
        type=Share(),
        default=None,
        metavar="5%",
        help="Run each point again until the 95 % intervals of its throughput and p99 are that tight.",
    ),
    click.option(
        "--max-seconds",
        type=Duration(),
        default=None,
        help="With --precision: the longest that each point is measured.  [default: 60s]",
    ),
    click.option(
        "--warmup",
        type=Duration(),
        default=None,
        help="Load before the measured time, kept in the rows.  [default: 0.5s; 0s for stages, users and a trace]",
    ),
    click.option(
        "--timeout", type=Duration(), default="10s", show_default=True, help="An answer later than this is a time-out."
    ),
    click.option(
        "--connect-timeout",
        type=Duration(),
        default=None,
        help="A connection not open after this time is a time-out.  [default: --timeout]",
    ),
    click.option(
        "--first-byte-timeout",
        type=Duration(),
        default=None,
        help="An answer not begun after this time is a time-out.  [default: --timeout]",
    ),
    click.option(
        "--arrivals",
        "arrivals_kind",
        type=click.Choice(KINDS),
        default=None,
        help="closed (a number of users who wait for their answers), users (who come and go by --stages), or an open "
        "loop.  [default: closed; poisson with a rate]",
    ),
    click.option("--rate", type=float, default=None, help="Requests/s of an open loop."),
    click.option("--cv", type=float, default=2.0, show_default=True, help="Burstiness of --arrivals gamma."),
    click.option(
        "--think-time",
        type=Duration(),
        default="0s",
        show_default=True,
        help="Pause of a closed-loop user after each answer.",
    ),
    click.option(
        "--stages",
        default=None,
        metavar="10s:0-200,20s:200-200",
        help="Steps, ramps and spikes: rates of --arrivals stages, or numbers of --arrivals users.",
    ),
    click.option("--trace", default=None, type=click.Path(), help="CSV of seconds for --arrivals replay."),
    click.option("--speed", type=float, default=1.0, show_default=True, help="Divides the trace's times."),
    click.option(
        "--slo",
        type=SloType(),
        default=None,
        metavar="BOUNDS",
        help="The latency limit, for example 'p99<50ms,errors<1%'; when given, missing it is exit code 5. "
        f"[default: {DEFAULT_SLO}, not enforced]",
    ),
    click.option(
        "--load-processes",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Load processes (Locust workers).",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 1000),
        default=None,
        help="Load from so many `locust --worker` processes that you start, on this or other machines.",
    ),
    click.option(
        "--bind",
        default="127.0.0.1:5557",
        show_default=True,
        metavar="HOST:PORT",
        help="With --workers: where they reach this machine.",
    ),
    click.option(
        "--max-in-flight",
        type=click.IntRange(1, 60_000),
        default=1024,
        show_default=True,
        help="Open loop: requests open at once; one that is due beyond that is counted as not sent.",
    ),
    click.option(
        "--isolate/--no-isolate", default=True, show_default=True, help="Pin target and load to separate cores."
    ),
    click.option(
        "--seed", type=int, default=1, show_default=True, help="Makes order, payloads and arrivals repeatable."
    ),
    click.option("--out", type=click.Path(), default=None, help="The run directory.  [default: results/<date>-<name>]"),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."),
)


def load_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of the shared options."""
    for option in reversed((*_OPTIONS, *CHAT_OPTIONS)):
        command = option(command)
    return command


def make_request(words: tuple[str, ...], concurrency: tuple[int, ...], repeats: int, given: dict[str, Any]) -> Request:
    """The request that the options amount to. Raises UserError."""
    from harness.target import find_target

    if given["precision"] is not None and was_given("repeats"):
        raise UserError("--repeats: --precision decides how often a point is run; leave one of the two out")
    target: str = given["target"]
    is_url = "://" in target
    spec = None if is_url else find_target(target)
    if given["rate"] is not None:
        words = (*words, f"rate={given['rate']:g}")
    return Request(
        words=words,
        target=target.rstrip("/") if is_url else target,
        spec=spec,
        scenario=find_scenario(given["scenario"]),
        model=_model(given["model"], spec),
        concurrency=concurrency,
        arrivals=ArrivalChoice(
            kind=given["arrivals_kind"],
            cv=given["cv"],
            think_time_s=given["think_time"],
            stages=parse_stages(given["stages"]) if given["stages"] else (),
            trace=given["trace"],
            speed=given["speed"],
        ),
        chat=chat_words(given),
        protocol=protocol_named(given["protocol"]),
        check=given["check"],
        seconds=None if given["seconds"] is None else _positive("--seconds", given["seconds"]),
        precision=given["precision"],
        max_seconds=_max_seconds(given),
        warmup_seconds=_warmup(given),
        timeout_seconds=_positive("--timeout", given["timeout"]),
        connect_timeout_seconds=_positive_or_none("--connect-timeout", given["connect_timeout"]),
        first_byte_timeout_seconds=_positive_or_none("--first-byte-timeout", given["first_byte_timeout"]),
        repeats=repeats,
        slo=given["slo"] or parse_slo(DEFAULT_SLO),
        capacity=given.get("capacity", False),
        isolate=given["isolate"],
        load_processes=given["load_processes"],
        remote_workers=_remote_workers(given),
        bind=address("--bind", given["bind"]),
        max_in_flight=given["max_in_flight"],
        seed=given["seed"],
        **foreign_fields(given),
    )


def _model(name: str, spec: TargetSpec | None) -> str:
    """`name`, unless it is a scenario's default that a server by recipe does not have; empty: the target's own."""
    foreign = spec is not None and spec.server is not None and name not in spec.models
    return "" if foreign and not was_given("model") else name


def was_given(name: str) -> bool:
    """Whether the user wrote the option `name`."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(name) if context else None
    return source not in (None, click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP)


def _warmup(given: dict[str, Any]) -> float:
    """None by default where the load changes by a plan of its own, all of which is to be seen."""
    if given["warmup"] is not None:
        return float(given["warmup"])
    return 0.0 if given["arrivals_kind"] in ("stages", "users", "replay") else DEFAULT_WARMUP_SECONDS


def _max_seconds(given: dict[str, Any]) -> float:
    if given["max_seconds"] is None:
        return DEFAULT_MAX_SECONDS
    if given["precision"] is None:
        raise UserError("--max-seconds: it bounds a measurement until --precision is reached; give that, or --seconds")
    return _positive("--max-seconds", given["max_seconds"])


def _remote_workers(given: dict[str, Any]) -> int:
    if given["workers"] and given["load_processes"] > 1:
        raise UserError("--workers: they take the place of --load-processes; leave one of the two out")
    if given["workers"] is None and was_given("bind"):
        raise UserError("--bind: it is where --workers reach this machine; give that too, or leave it out")
    return given["workers"] or 0


def address(flag: str, text: str) -> str:
    """`text`, an address and a port. Raises UserError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < MAX_PORT:
        raise UserError(f"{flag} {text}: give an address and a port, for example 0.0.0.0:5557")
    return text


def _positive(flag: str, seconds: float) -> float:
    if seconds <= 0:
        raise UserError(f"{flag} {seconds:g}s: give more than zero")
    return seconds


def _positive_or_none(flag: str, seconds: float | None) -> float | None:
    return None if seconds is None else _positive(flag, seconds)
