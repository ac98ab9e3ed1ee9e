"""The options that `sweep`, `run` and `capacity` share."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.external_server_options import EXTERNAL_SERVER_OPTIONS
from harness.cli.parts.option_types import DURATION, SEED, Address, Parsed, Share, SloType
from harness.cli.parts.own_request_options import OWN_REQUEST_OPTIONS
from harness.cli.upkeep.completion import complete_scenarios, complete_targets
from harness.errors import UserError
from harness.plan.load_options import ARRIVALS, CHAT, SETTINGS, help_text
from harness.plan.scenario import find_scenario, read_scenario
from harness.wire.credentials import HEADERS, TLS_CA, TOKEN_FILE, Access, own_headers, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.option_text import LoadOption

DEFAULT_SCENARIO = "predict"
SET_BY_THE_PLAN = {  # arguments of Locust
    *("-u", "--users", "-r", "--spawn-rate", "-t", "--run-time", "-H", "--host", "-f", "--locustfile", "--headless"),
    *("--master", "--worker", "--processes", "--autostart", "--config", "--settings", "--stop-timeout", "-s"),
}
DEFAULT_SLO = "p99<50ms"
STREAM_SLO = "ttft_p90<500ms,itl_p99<50ms"  # where requests are those of a language model


def _for_children(name: str, path: str | None) -> str | None:
    """Put the path into the environment, where this process and its children look for it."""
    if path:
        os.environ[name] = path
    Access.find()
    return path


RESUME_OPTION = click.option(
    "--resume",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Go on with a run that was stopped; its own plan counts.",
)
TARGET_ACCURACY_OPTION = click.option(
    "--target-accuracy",
    type=click.FloatRange(0, 1),
    default=None,
    help="Training: the share of examples to get right, for the time until it is reached; when given, missing it is "
    "exit code 5.  [default: 0.9, not enforced]",
)
TOKEN_OPTION = click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    callback=lambda _, __, path: _for_children(TOKEN_FILE, path),
    expose_value=False,
    help="File with the bearer token that requests carry and an embedded target asks for; or set SWEEPSPOT_TOKEN. "
    "(The token itself is no option: others could read it in the list of processes.)",
)


def _own_headers(given: tuple[str, ...]) -> None:
    """Put headers into the environment, where this process and its children look for them. Raises UserError."""
    if given:
        os.environ[HEADERS] = "\n".join(": ".join(parse_header(text, "--header")) for text in given)
    own_headers()


HEADER_OPTION = click.option(
    "--header",
    multiple=True,
    metavar="'NAME: VALUE'",
    callback=lambda _, __, given: _own_headers(given),
    expose_value=False,
    help="A header of every request; may be repeated. Give a secret as 'NAME: @FILE' or 'NAME: $VARIABLE' (quoted), so "
    "that it is not on the command line.",
)


def _parse_locust(text: str, flag: str) -> tuple[str, ...]:
    """Arguments of Locust, as a shell would part them. Raises UserError for one that the plan sets."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"{flag} {text}: {error}; write it as in a shell") from error
    for word in words:
        if word.partition("=")[0] in SET_BY_THE_PLAN:
            raise UserError(
                f"{flag} {word}: the plan sets it; use --target, --concurrency, --seconds or --load-processes"
            )
    return words


def _take_defaults(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Use the scenario's defaults in place of those of the options; an option on the command line overrides both."""
    del param
    path = find_scenario(value)
    if Path(path).is_file():
        scenario = read_scenario(path)
        slo = {"slo": STREAM_SLO} if scenario.chats else {}
        ctx.default_map = {**(ctx.default_map or {}), **slo, **scenario.defaults}
    return value


def _option_of(option: LoadOption) -> Callable[[Any], Any]:
    text = help_text(option)
    return click.option(
        option.flag,
        type=Parsed(option.parse, option.name),
        default=None,
        metavar=option.metavar,
        help=f"{text[0].upper()}{text[1:]}.",
    )


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--target",
        default="batched",
        show_default=True,
        shell_complete=complete_targets,
        metavar="NAME|URL|RECIPE.toml",
        help="An embedded target (see `harness knobs`), http://host:port (grpc://host:port) of a server that runs, or "
        "a recipe that starts one: a name such as mosec, or a file (see targets/external/README.md).",
    ),
    click.option(
        "--model",
        default="",
        help="The model to serve, or its name on a URL.  [default: the scenario's, digits-mlp for predict]",
    ),
    *EXTERNAL_SERVER_OPTIONS,
    *OWN_REQUEST_OPTIONS,
    click.option(
        "--scenario",
        default=DEFAULT_SCENARIO,
        show_default=True,
        type=click.Path(),
        metavar="NAME|FILE",
        is_eager=True,
        callback=_take_defaults,
        shell_complete=complete_scenarios,
        help="The requests: predict, image, speech, text, agent, ... or a locustfile, which may set defaults.",
    ),
    click.option(
        "--tls-ca",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        callback=lambda _, __, path: _for_children(TLS_CA, path),
        expose_value=False,
        help="Certificates (PEM) to trust in place of the system's, for an https URL.",
    ),
    TOKEN_OPTION,
    HEADER_OPTION,
    click.option(
        "--seconds",
        type=DURATION,
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
        type=DURATION,
        default=None,
        help="With --precision: the longest that each point is measured.  [default: 60s]",
    ),
    *map(_option_of, (*SETTINGS, *ARRIVALS)),
    click.option(
        "--slo",
        type=SloType(),
        default=None,
        metavar="BOUNDS",
        help="The latency limit, for example 'p99<50ms,errors<1%'; or none; if given, missing it is exit code 5. "
        f"[default: {DEFAULT_SLO}, of language models {STREAM_SLO}, not enforced]",
    ),
    click.option(
        "--price-per-hour",
        type=click.FloatRange(0, min_open=True),
        default=None,
        metavar="NUMBER",
        help="What an hour of the whole server costs, in any currency: the price of a million output tokens, results "
        "or responses is then shown.",
    ),
    click.option(
        "--locust",
        "locust_arguments",
        type=Parsed(_parse_locust, "arguments"),
        default=(),
        metavar="ARGUMENTS",
        help="Further arguments of Locust for a locustfile of your own, such as '--tags smoke' or its own options.",
    ),
    click.option(
        "--load-processes",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Load processes on this machine, started for you.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 1000),
        default=None,
        help="Load processes that you start yourself, on this or other machines (`python -m harness worker`).",
    ),
    click.option(
        "--bind",
        type=Address(),
        default="127.0.0.1:5557",
        show_default=True,
        metavar="HOST:PORT",
        help="With --workers: the address at which they reach this machine.",
    ),
    click.option(
        "--isolate/--no-isolate", default=True, show_default=True, help="Pin target and load to separate cores."
    ),
    click.option(
        "--seed", type=SEED, default=1, show_default=True, help="Makes order, payloads and arrivals repeatable."
    ),
    click.option("--out", type=click.Path(), default=None, help="The run directory.  [default: results/<date>-<name>]"),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."),
    click.option("--live", is_flag=True, help="Serve a page on 127.0.0.1 on which the run can be watched."),
)


def load_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add all of the shared options to a command."""
    for option in reversed((*_OPTIONS, *map(_option_of, CHAT))):
        command = option(command)
    return command
