"""The options of a load on Locust's own command line; each is also the environment variable SWEEPSPOT_<NAME>.

Importing this module registers them. The harness gives one of them, `--settings FILE`; the others are for those who
call `locust -f scenarios/...` themselves. Values stay text until a test starts, because Locust's page may change them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from locust import events

from harness.errors import UserError
from harness.measure.load.locust.users.inference_user import refuse_wait_time
from harness.measure.load.locust.users.scenario_user import classes_of, declared
from harness.plan.arrivals import Closed, Shape, arrivals_of
from harness.plan.load_options import ARRIVALS, CHAT, SETTINGS, help_text, settings_of, values_of
from harness.plan.load_settings import TrialLoad, read_trial_load
from harness.plan.option_text import LoadOption, number, parse_path, parse_positive_seconds, split_word, whole
from harness.plan.target_spec import InProcessTarget, find_named
from harness.wire.credentials import TOKEN_FILE

if TYPE_CHECKING:
    from argparse import Namespace

    from locust.env import Environment

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import TargetSpec

DEFAULT_TARGET = "batched"
MOST_SEED = 2**31
BY_HAND = (  # settings that are knobs, or have another flag, on the harness's command line
    LoadOption("--skew", "skew", number(0, 10), "Zipf exponent of the payloads' popularity; 0: all equally popular"),
    LoadOption("--mix", "mix", parse_path, "weights of the request classes, such as predict:95+explain:5 (default: the "
               "scenario's)"),
    LoadOption("--measure", "measure_s", parse_positive_seconds, "measured time; then the test ends (default: until "
               "--run-time or Ctrl-C)"),
    LoadOption("--seed", "seed", whole(0, MOST_SEED), "makes payload order, sampling and arrivals repeatable"),
)  # fmt: skip
_PRIVATE: dict[str, Any] = {"include_in_web_ui": False}
_LIST: dict[str, Any] = {"action": "append", "default": [], **_PRIVATE}
_OTHERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--settings", "file of all settings of the load, as the harness writes it; overrides every option here", _PRIVATE),
    ("--target", f"target to start where there is no --host (default {DEFAULT_TARGET}), or inprocess", {}),
    ("--model", "model to ask for (default: the scenario's)", {}),
    ("--knob", "a knob of the target, as name=value; may be repeated", _LIST),
    ("--bank", "file of payloads and expected responses (default: prepared for --model)", _PRIVATE),
    ("--class-bank", "payloads and expected responses of a request class, as name=file; may be repeated", _LIST),
    ("--tls-ca", "file of certificates (PEM) to trust in place of the system's", _PRIVATE),
    ("--token-file", "file with the bearer token (or the token itself in the environment: SWEEPSPOT_TOKEN)", _PRIVATE),
    ("--out", "folder of the run (default results/<date>-locust)", _PRIVATE),
    ("--trial-dir", "folder for rows and load.json alone, without a run around them", _PRIVATE),
    ("--control-fd", "descriptor of the parent's control channel", {"type": int, **_PRIVATE}),
)
PATHS = ("--trace", "--lengths", "--prompts")


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    """Add the options, and keep page and master on this machine unless asked otherwise."""
    texts = [
        (option.flag, help_text(option), _PRIVATE if option.flag in PATHS else {})
        for option in (*SETTINGS, *ARRIVALS, *CHAT, *BY_HAND)
    ]
    for flag, text, more in (*_OTHERS, *texts):
        name = flag.removeprefix("--").replace("-", "_").upper()
        parser.add_argument(flag, env_var=f"SWEEPSPOT_{name}", help=text.replace("%", "%%"), **more)
    known = {action.dest for action in parser._actions} - {"target"}  # noqa: SLF001  (argparse offers no list of them)
    own = {name: value for name, value in declared().default_options.items() if name in known}
    parser.set_defaults(
        web_host="127.0.0.1", master_bind_host="127.0.0.1", **{"model": declared().default_model, **own}
    )


def default_target(parsed: Namespace) -> str:
    """The target to start: the user's, the scenario's, or `DEFAULT_TARGET`."""
    return str(parsed.target or declared().default_options.get("target", DEFAULT_TARGET))


def target_setting(parsed: Namespace, spec: TargetSpec) -> Setting:
    """The knobs that the user set, and those that the scenario sets where the target has them. Raises UserError."""
    return spec.knobs.parse_setting([*spec.knobs.known_words(declared().default_knobs), *parsed.knob])


def remember_token_file(parsed: Namespace) -> None:
    """Put `--token-file` where this process looks for its token; the path is no part of the settings."""
    if parsed.token_file:
        os.environ[TOKEN_FILE] = parsed.token_file


def trial_load(environment: Environment) -> TrialLoad:
    """The settings of the next test: from the file `--settings`, or else from all other options. Raises UserError."""
    parsed = environment.parsed_options
    refuse_wait_time(environment.user_classes)
    load = read_trial_load(Path(parsed.settings)) if parsed.settings else _from_options(environment)
    return msgspec.structs.replace(load, classes=classes_of(environment, load.mix))


def _from_options(environment: Environment) -> TrialLoad:
    parsed = environment.parsed_options
    texts = vars(parsed)
    arrivals = {"users": parsed.num_users or 1, **values_of(ARRIVALS, texts)}
    kind = arrivals.pop("kind", Closed.__struct_config__.tag)
    shaped = environment.shape_class is not None and kind == Closed.__struct_config__.tag
    own = values_of(BY_HAND, texts)
    seed = own.pop("seed", 0)
    settings = settings_of(texts, **own)
    return TrialLoad(
        **{name: getattr(settings, name) for name in settings.__struct_fields__},
        trial_dir="",  # known when the test begins
        arrivals=Shape() if shaped else arrivals_of(kind, arrivals),
        model=parsed.model,
        **_in_process(parsed),
        bank=parsed.bank or None,
        class_banks=_class_banks(parsed.class_bank),
        tls_ca=parsed.tls_ca or None,
        seed=seed,
    )


def _in_process(parsed: Namespace) -> dict[str, Any]:
    """The target inside this process, with its knobs; nothing where requests are sent to a server."""
    spec = find_named(parsed.target) if parsed.target else None
    if not isinstance(spec, InProcessTarget):
        return {}
    return {"target": spec.name, "setting": target_setting(parsed, spec)}


def _class_banks(words: list[str]) -> dict[str, str]:
    pairs = [(word, *split_word(word)) for word in words]
    for word, name, file in pairs:
        if not (name and file):
            raise UserError(f"--class-bank {word}: write name=file, for example explain=explain.npz")
    return {name: file for _, name, file in pairs if file}
