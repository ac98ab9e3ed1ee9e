"""From the options that were given to the request that they amount to."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.chat_options import chat_words
from harness.cli.parts.options import DEFAULT_SLO
from harness.cli.parts.own_server_options import foreign_fields
from harness.errors import UserError
from harness.plan.arrivals import parse_stages
from harness.plan.make_plan import DEFAULT_WARMUP_SECONDS, ArrivalChoice, Request
from harness.plan.scenario import find_scenario
from harness.plan.slo import parse_slo
from harness.plan.target_spec import RecipeTarget
from harness.wire.protocols import protocol_named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.plan.target_spec import TargetSpec

DEFAULT_MAX_SECONDS = 60.0
BESIDE_RESUME = {"resume", "budget", "as_json", "token_file", "tls_ca"}


def make_request(words: tuple[str, ...], concurrency: tuple[int, ...], repeats: int, given: dict[str, Any]) -> Request:
    """The request that the options amount to. Raises UserError."""
    from harness.plan.target_spec import find_named

    if given["precision"] is not None and was_given("repeats"):
        raise UserError("--repeats: --precision decides how often a point is run; leave one of the two out")
    target: str = given["target"]
    is_url = "://" in target.rstrip("/")
    spec = None if is_url else find_named(target)
    if given["rate"] is not None:
        words = (*words, f"rate={given['rate']:g}")
    _refuse_without_effect({word.partition("=")[0] for word in words}, spec, given)
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
        budget_seconds=_budget(given),
        budget_given=was_given("budget"),
        slo=given["slo"] or parse_slo(DEFAULT_SLO),
        capacity=given.get("capacity", False),
        isolate=given["isolate"],
        load_processes=given["load_processes"],
        remote_workers=_remote_workers(given),
        bind=given["bind"],
        max_in_flight=given["max_in_flight"],
        seed=given["seed"],
        **foreign_fields(given),
    )


def _refuse_without_effect(named: set[str], spec: TargetSpec | None, given: dict[str, Any]) -> None:
    """Raise UserError for an option that would change nothing: who gives it expects something else."""
    kind = given["arrivals_kind"] or ("poisson" if "rate" in named else "closed")
    foreign = spec is None or isinstance(spec, RecipeTarget)
    effects = (
        (("stages",), kind in ("stages", "users"), "--arrivals stages or --arrivals users"),
        (("trace", "speed"), kind == "replay", "--arrivals replay"),
        (("cv",), kind == "gamma", "--arrivals gamma"),
        (("think_time",), kind in ("closed", "users"), "a closed loop, which has no rate"),
        (("concurrency",), kind == "closed", "a closed loop, which has no rate"),
        (("concurrency",), "concurrency" not in named, "levels that the knob concurrency does not give"),
        (("payloads", "reference", "shape", "metrics"), foreign, "a server that is not ours"),
    )
    for names, have_effect, of in effects:
        if not have_effect:
            refuse_options(names, f"it is for {of}")


def _model(name: str, spec: TargetSpec | None) -> str:
    """`name`, unless it is a scenario's default that a server by recipe does not have; empty: the target's own."""
    foreign = isinstance(spec, RecipeTarget) and name not in spec.models
    return "" if foreign and not was_given("model") else name


def was_given(name: str) -> bool:
    """Whether the user wrote the option `name`."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(name) if context else None
    return source not in (None, click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP)


def refuse_options(names: Iterable[str], why: str, instead: str = "") -> None:
    """Raise UserError for an option or argument of `names` that was given and would do nothing."""
    perhaps = f" ({instead} may be of use)" if instead else ""
    for option in click.get_current_context().command.params:
        if option.name in names and was_given(option.name):
            raise UserError(f"{option.opts[0]}: {why}; leave it out{perhaps}")


def refuse_beside_resume() -> None:
    """Raise UserError for anything that is given to a run that goes on, but where to show it and how to reach it."""
    names = {str(option.name) for option in click.get_current_context().command.params}
    refuse_options(names - BESIDE_RESUME, "a run that goes on keeps its own plan", "a new run, without --resume,")


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


def _budget(given: dict[str, Any]) -> float | None:
    """None where the user fixes how often, how long or how precisely each point is measured, or the verb has none."""
    if given.get("budget") is None:
        return None
    fixing = [name for name in ("seconds", "repeats", "precision", "max_seconds") if was_given(name)]
    if not fixing:
        return _positive("--budget", given["budget"])
    if was_given("budget"):
        raise UserError(f"--budget: --{fixing[0].replace('_', '-')} fixes how each point is measured; leave one out")
    return None


def _remote_workers(given: dict[str, Any]) -> int:
    if given["workers"] and given["load_processes"] > 1:
        raise UserError("--workers: they take the place of --load-processes; leave one of the two out")
    if given["workers"] is None and was_given("bind"):
        raise UserError("--bind: it is where --workers reach this machine; give that too, or leave it out")
    if given["workers"]:
        _can_bind(given["bind"])
    return given["workers"] or 0


def _can_bind(address: str) -> None:
    host = address.rpartition(":")[0].strip("[]")
    try:
        family, kind, *_, socket_address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.bind(socket_address)
    except OSError as error:
        raise UserError(f"--bind {address}: this machine has no such address ({error.strerror})") from error


def _positive(flag: str, seconds: float) -> float:
    if seconds <= 0:
        raise UserError(f"{flag} {seconds:g}s: give more than zero")
    return seconds


def _positive_or_none(flag: str, seconds: float | None) -> float | None:
    return None if seconds is None else _positive(flag, seconds)
