"""Makes the draft of a plan from the options of the command line."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from harness.cli.parts.external_server_options import external_server_fields
from harness.cli.parts.options import DEFAULT_SLO
from harness.cli.parts.own_request_options import OF_OWN_REQUESTS, own_request, with_own_requests
from harness.errors import UserError
from harness.plan.arrivals import KINDS, Replay, has_field
from harness.plan.load_options import ARRIVALS, settings_of, values_of
from harness.plan.option_text import names_of
from harness.plan.plan import Plan
from harness.plan.plan_draft import DEFAULT_MAX_SECONDS, DEFAULT_WARMUP_SECONDS, Draft
from harness.plan.request_lengths import TraceLengths
from harness.plan.scenario import find_scenario, scenario_name
from harness.plan.slo import parse_slo
from harness.plan.target_spec import ExternalTarget, UrlTarget, find_target
from harness.trace_file import trace_unit
from harness.wire.http.chat_completions import OPENAI
from harness.wire.language.prompts.prompt_vocabulary import local_words
from harness.wire.prompt_bank import PromptBank
from harness.wire.protocol import AUTO
from harness.wire.protocols import find_protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.plan.chat_shape import ChatShape
    from harness.plan.load_settings import LoadSettings
    from harness.plan.slo import Slo
    from harness.plan.target_spec import TargetSpec

BESIDE_RESUME = {"resume", "budget", "live", "as_json", "token_file", "tls_ca", "header"}


def make_draft(words: tuple[str, ...], concurrency: tuple[int, ...], repeats: int, given: dict[str, Any]) -> Draft:
    """The draft of the plan that the options describe. Raises UserError."""
    if given["precision"] is not None and was_given("repeats"):
        raise UserError("--repeats: --precision decides how often a point is run; leave one of the two out")
    spec = find_target(given["target"])
    arrivals = values_of(ARRIVALS, given)
    kind = arrivals.pop("kind", "")
    steady = not kind or KINDS[kind].steady
    if not steady:  # it says itself how long it lasts, and a scenario's default is for another load
        given |= {name: None for name in ("seconds", "warmup") if not was_given(name)}
    settings = settings_of(given, measure_s=given["seconds"])
    settings = _read_files(settings, arrivals)
    if (rate := arrivals.pop("rate_rps", None)) is not None:
        words = (*words, f"rate={rate!r}")
    _refuse_without_effect(words, kind, spec)
    warmup_s = given.pop("warmup")
    if warmup_s is None:
        # Of a load that changes over time nothing is left out as warm-up.
        warmup_s = DEFAULT_WARMUP_SECONDS if steady else 0.0
    plan = Plan(
        target=spec.name if isinstance(spec, UrlTarget) else given["target"],
        scenario=scenario_name(find_scenario(given["scenario"])),
        model=given["model"],
        load=msgspec.structs.replace(settings, warmup_s=warmup_s),
        repeats=repeats,
        precision=given["precision"],
        budget_seconds=_budget(given),
        slo=_slo(given["slo"], settings.protocol, capacity=given.get("capacity", False)),
        capacity=given.get("capacity", False),
        price_per_hour=given["price_per_hour"],
        isolate=given["isolate"],
        load_processes=given["load_processes"],
        remote_workers=_remote_workers(given),
        bind=given["bind"],
        locust_arguments=given["locust_arguments"],
        seed=given["seed"],
        **external_server_fields(given),
    )
    return Draft(
        plan=with_own_requests(plan, own_request(given), spec),
        spec=spec,
        words=words,
        concurrency=concurrency,
        users_given=was_given("concurrency"),
        kind=kind,
        arrivals=arrivals,
        max_seconds=_max_seconds(given),
        budget_given=was_given("budget"),
    )


def _slo(given: Slo | None, protocol: str, *, capacity: bool) -> Slo | None:
    """The limit that was given, or the default one; None for `--slo none`. Raises UserError.

    The scenario's default is for streams: embeddings and rankings have the limit of other responses.
    """
    streams = protocol == AUTO or not find_protocol(protocol).gives_results
    slo = parse_slo(DEFAULT_SLO) if given is None or not (streams or was_given("slo")) else given
    if capacity and not slo.bounds:
        raise UserError("--slo none: a capacity is the highest rate within a limit; give one, such as 'p99<50ms'")
    return slo if slo.bounds else None


def _refuse_contradictions(chat: ChatShape) -> None:
    """Raises UserError where the options of conversations do not go together."""
    if chat.prefix_share and chat.prompt_tokens is None:
        raise UserError("--prefix-share: it is a share of --prompt-tokens; give that too")
    if chat.hang_up and not chat.stream:
        raise UserError("--hang-up: users leave in the middle of a stream; leave --stream off out")
    sizes = {"--prompt-tokens": chat.prompt_tokens, "--prompt-words": chat.prompt_words, "--lengths": chat.lengths}
    given = [flag for flag, value in sizes.items() if value is not None]
    if len(given) > 1:
        raise UserError(f"{given[0]}, {given[1]}: both set the lengths of prompts; leave one of them out")
    if chat.tokenizer and chat.prompt_tokens is None and chat.lengths is None:
        raise UserError("--tokenizer: it counts what --prompt-tokens asks for; give that too")


def _read_files(settings: LoadSettings, arrivals: dict[str, Any]) -> LoadSettings:
    """Read the user's files once, so that one which cannot be used is refused before anything starts.

    Says the unit of a trace that is not in seconds. Returns the settings, with what the files say. Raises UserError.
    """
    chat = settings.chat
    _refuse_contradictions(chat)
    if chat.tokenizer:
        local_words(chat.tokenizer)
    if chat.prompts:
        bank = PromptBank.load(Path(chat.prompts))
        if bank.images and settings.protocol not in (AUTO, OPENAI.name):
            raise UserError(f"--prompts {chat.prompts}: its images go into chat completions (--protocol openai) only")
    if chat.lengths:
        lengths = TraceLengths(Path(chat.lengths), "--lengths")
        lengths.check()
        chat = msgspec.structs.replace(chat, lengths_in_tokens=lengths.in_tokens)
        settings = msgspec.structs.replace(settings, chat=chat)
    if path := arrivals.get("path"):
        length_s = Replay(path=path, speed=arrivals.get("speed", 1.0)).length_s
        if (unit := trace_unit(Path(path))) != "s":
            print(f"--trace {path}: its instants are in {unit}; it lasts {length_s:.3g} s", file=sys.stderr)
    return settings


def _refuse_without_effect(words: tuple[str, ...], kind: str, spec: TargetSpec) -> None:
    """Raise UserError for an option that would change nothing: a user who gives it expects something else."""
    named = names_of(words)
    kind = kind or ("poisson" if "rate" in named else "closed")
    for option in ARRIVALS:
        if option.name not in ("arrivals", "rate") and not has_field(kind, option.field):
            kinds = " or ".join(f"--arrivals {other}" for other in KINDS if has_field(other, option.field))
            refuse_options((option.name,), f"it is for {kinds}")
    external = isinstance(spec, ExternalTarget)
    effects = (
        (("concurrency",), kind == "closed", "a closed loop, which has no rate"),
        (("concurrency",), "concurrency" not in named, "levels that the knob concurrency does not give"),
        (("payloads", "reference", "shape", "metrics", *OF_OWN_REQUESTS), external, "a server that is not ours"),
    )
    for names, have_effect, of in effects:
        if not have_effect:
            refuse_options(names, f"it is for {of}")


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
    """Raise UserError for any option beside --resume that a resumed run cannot use."""
    names = {str(option.name) for option in click.get_current_context().command.params}
    refuse_options(names - BESIDE_RESUME, "a run that goes on keeps its own plan", "a new run, without --resume,")


def _max_seconds(given: dict[str, Any]) -> float:
    if given["max_seconds"] is None:
        return DEFAULT_MAX_SECONDS
    if given["precision"] is None:
        raise UserError("--max-seconds: it bounds a measurement until --precision is reached; give that, or --seconds")
    return float(given["max_seconds"])


def _budget(given: dict[str, Any]) -> float | None:
    """None where the user fixes how often, how long or how precisely each point is measured, or the verb has none."""
    if given.get("budget") is None:
        return None
    fixing = [name for name in ("seconds", "repeats", "precision", "max_seconds") if was_given(name)]
    if fixing and was_given("budget"):
        raise UserError(f"--budget: --{fixing[0].replace('_', '-')} fixes how each point is measured; leave one out")
    return None if fixing else float(given["budget"])


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
