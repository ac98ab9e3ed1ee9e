"""The command-line options of the scenarios, on Locust's own command line; each also as SWEEPSPOT_<NAME>.

Importing this registers them. Values stay text until a test starts, because Locust's page may change them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust import events

from harness.errors import UserError, unknown_name
from harness.measure.load.options import LoadOptions
from harness.measure.load.payloads.response_check import MODES
from harness.plan.arrivals import parse_arrivals, parse_seconds
from harness.plan.chat_shape import OUTPUT, TURNS, parse_chat
from harness.plan.target_spec import InProcessTarget, find_named
from harness.wire.protocols import AUTO, protocol_named

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import TargetSpec

MAX_SKEW = 10.0
scenario_target = {"name": "batched"}  # what is started where the user names neither target nor host
_PRIVATE: dict[str, Any] = {"include_in_web_ui": False}
_OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--target", "embedded target to start when there is no --host (default batched); inprocess: none", {}),
    ("--model", "model to ask for (default: the scenario's)", {}),
    ("--knob", "a knob of the target, as name=value; may be repeated", {"action": "append", "default": [], **_PRIVATE}),
    ("--bank", "file of payloads and right answers (default: prepared for --model)", _PRIVATE),
    ("--mix", "how much of each request class, for example predict:95+explain:5 (default: the scenario's)", {}),
    (
        "--class-bank",
        "payloads and right answers of a request class, as name=file",
        {"action": "append", "default": [], **_PRIVATE},
    ),
    ("--protocol", "auto, http-json (v2), http-binary (v2-binary), grpc or tfs", {"default": AUTO}),
    ("--tls-ca", "file of certificates to believe, in PEM, in place of the system's", _PRIVATE),
    ("--token-file", "file with the bearer token (or the token itself in the environment: SWEEPSPOT_TOKEN)", _PRIVATE),
    ("--check", "which answers to compare with the right ones: all, sample or off", {"default": "all"}),
    ("--skew", "Zipf exponent of the payloads' popularity; 0: all equally popular", {"default": "0"}),
    ("--timeout", "give a request up after this time", {"default": "10s"}),
    ("--connect-timeout", "give up a connection that is not open after this time (default: --timeout)", {}),
    ("--first-byte-timeout", "give up a request whose answer has not begun after this time (default: --timeout)", {}),
    ("--warmup", "time before measuring, once all users are there", {"default": "0s"}),
    ("--measure", "measure for this time, then end (default: until --run-time or Ctrl-C)", {}),
    ("--arrivals", "closed, users, constant, poisson, gamma, stages or replay", {"default": "closed"}),
    ("--rate", "requests per second, for open-loop --arrivals", {}),
    ("--cv", "coefficient of variation of the gaps, for --arrivals gamma", {}),
    ("--stages", "for --arrivals stages or users: 10s:0-100,30s:100 (length:from-to, of requests/s or users)", {}),
    ("--trace", "for --arrivals replay: CSV file whose first column is seconds", _PRIVATE),
    ("--speed", "for --arrivals replay: how many times faster", {}),
    ("--think-time", "closed loop: pause of a user between an answer and its next request", {}),
    ("--turns", f"chat: turns of a conversation (default {TURNS})", {}),
    ("--prompt-words", "chat: words of each message, for example 20, 8-64 or lognormal:20,0.5", {}),
    ("--output-tokens", f"chat: tokens of each answer (default {OUTPUT})", {}),
    ("--lengths", "chat: CSV file whose last two columns are words of prompt and tokens of answer", _PRIVATE),
    ("--ignore-eos", "chat: on: ask for every token wanted; off: let the model end its turn", {}),
    ("--max-in-flight", "open loop: requests open at once; more are counted as not sent", {"default": "1024"}),
    ("--trial-dir", "folder for rows and load.json (default results/<date>-locust/trials/<n>)", _PRIVATE),
    ("--seed", "makes payload order, sampling and arrivals repeatable", {"default": "0"}),
    ("--control-fd", "descriptor of the parent's control channel", {"type": int, **_PRIVATE}),
)


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    """Add the options, and keep page and master on this machine unless asked otherwise."""
    for flag, text, more in _OPTIONS:
        name = flag.removeprefix("--").replace("-", "_").upper()
        parser.add_argument(flag, env_var=f"SWEEPSPOT_{name}", help=text, **more)
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1", model=_declared("default_model"))


def _declared(name: str) -> Any:
    """What the scenario's users declare; Locust has imported it before it asks for options."""
    from harness.measure.load.locust.inference_user import InferenceUser

    users = InferenceUser.__subclasses__() or [InferenceUser]
    return getattr(users[-1], name)


def target_setting(parsed: Namespace, spec: TargetSpec) -> Setting:
    """The knobs that the user set, and those that the scenario sets where the target has them. Raises UserError."""
    return spec.knobs.parse_setting([*spec.knobs.known_words(_declared("default_knobs")), *parsed.knob])


def set_defaults(defaults: Mapping[str, str]) -> None:
    """What a scenario wants where its user says nothing, by option name; names that are no option here are passed over.

    `target` counts only without a host.
    """
    scenario_target["name"] = defaults.get("target", scenario_target["name"])
    known = {flag.removeprefix("--").replace("-", "_") for flag, _, _ in _OPTIONS} - {"target"}
    own = {name: value for name, value in defaults.items() if name in known}
    events.init_command_line_parser.add_listener(lambda parser, **_: parser.set_defaults(**own))


def load_options(parsed: Namespace, trial_dir: Path, worker: int = 0, workers: int = 1) -> LoadOptions:
    """The orders in Locust's parsed options. Raises UserError."""
    check = str(parsed.check)
    if check not in MODES:
        raise unknown_name("--check", check, MODES)
    users = parsed.num_users or 1
    return LoadOptions(
        trial_dir=trial_dir,
        arrivals=parse_arrivals(parsed.arrivals, arrival_words(parsed), users),
        model=parsed.model,
        **_in_process(parsed),
        protocol=protocol_named(parsed.protocol),
        bank=Path(parsed.bank) if parsed.bank else None,
        class_banks=_class_banks(parsed.class_bank),
        tls_ca=Path(parsed.tls_ca) if parsed.tls_ca else None,
        token_file=Path(parsed.token_file) if parsed.token_file else None,
        chat=parse_chat(chat_words(parsed)),
        check=check,
        timeout_s=_positive(parse_seconds(parsed.timeout, "--timeout"), "--timeout"),
        connect_timeout_s=_seconds_or_none(parsed.connect_timeout, "--connect-timeout"),
        first_byte_timeout_s=_seconds_or_none(parsed.first_byte_timeout, "--first-byte-timeout"),
        warmup_s=parse_seconds(parsed.warmup, "--warmup"),
        measure_s=_seconds_or_none(parsed.measure, "--measure"),
        max_in_flight=_whole(parsed.max_in_flight, "--max-in-flight", 1),
        skew=_exponent(parsed.skew),
        seed=_whole(parsed.seed, "--seed", 0),
        worker=worker,
        workers=workers,
    )


def _in_process(parsed: Namespace) -> dict[str, Any]:
    """The target that lives in this process, with its knobs; nothing where requests go over the wire."""
    spec = find_named(parsed.target) if parsed.target else None
    if not isinstance(spec, InProcessTarget):
        return {}
    return {"target": spec.name, "setting": target_setting(parsed, spec)}


def _class_banks(words: list[str]) -> dict[str, Path]:
    pairs = [word.partition("=") for word in words]
    for name, equals, file in pairs:
        if not (name and equals and file):
            raise UserError(f"--class-bank {name}{equals}{file}: write name=file, for example explain=explain.npz")
    return {name: Path(file) for name, _, file in pairs}


def chat_words(parsed: Namespace) -> dict[str, str | None]:
    """What the user said about conversations, by the option's name."""
    return {name: getattr(parsed, name) for name in ("turns", "prompt_words", "output_tokens", "lengths", "ignore_eos")}


def arrival_words(parsed: Namespace) -> dict[str, str | None]:
    """What the user said about arrivals, by the option's name."""
    return {name: getattr(parsed, name) for name in ("rate", "cv", "stages", "trace", "speed", "think_time")}


def _seconds_or_none(text: str | None, flag: str) -> float | None:
    return _positive(parse_seconds(text, flag), flag) if text else None


def _positive(seconds: float, flag: str) -> float:
    if seconds <= 0:
        raise UserError(f"{flag} {seconds:g}s: must be more than nothing")
    return seconds


def _exponent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MAX_SKEW:
        raise UserError(f"--skew {text}: takes a number from 0 to {MAX_SKEW:g}")
    return number


def _whole(text: str, flag: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise UserError(f"{flag} {text}: takes a whole number, {least} or more")
    return number
