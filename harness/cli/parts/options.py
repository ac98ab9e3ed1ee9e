"""The options that `sweep` and `run` share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.chat_options import CHAT_OPTIONS
from harness.cli.parts.option_types import MOST_RPS, SEED, Address, Duration, Number, Share, SloType
from harness.cli.parts.own_server_options import FOREIGN_OPTIONS
from harness.plan.arrivals import KINDS
from harness.plan.scenario import find_scenario
from harness.plan.scenario_defaults import scenario_defaults
from harness.wire.credentials import TLS_CA, TOKEN_FILE, Access
from harness.wire.protocols import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_SCENARIO = "scenarios/predict.py"
DEFAULT_SLO = "p99<50ms"


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
    click.option("--rate", type=Number(0, MOST_RPS, min_open=True), default=None, help="Requests/s of an open loop."),
    click.option(
        "--cv",
        type=Number(0, 100, min_open=True),
        default=2.0,
        show_default=True,
        help="Burstiness of --arrivals gamma.",
    ),
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
    click.option(
        "--speed",
        type=Number(0, 1e6, min_open=True),
        default=1.0,
        show_default=True,
        help="Divides the trace's times.",
    ),
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
        help="Load from so many workers that you start, on this or other machines (`python -m harness worker`).",
    ),
    click.option(
        "--bind",
        type=Address(),
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
        "--seed", type=SEED, default=1, show_default=True, help="Makes order, payloads and arrivals repeatable."
    ),
    click.option("--out", type=click.Path(), default=None, help="The run directory.  [default: results/<date>-<name>]"),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."),
)


def load_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of the shared options."""
    for option in reversed((*_OPTIONS, *CHAT_OPTIONS)):
        command = option(command)
    return command
