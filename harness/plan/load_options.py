"""The load settings as options of a command line: flag, help and parser of each, declared once.

`python -m harness` makes click options of them and `locust -f scenarios/...` arguments of Locust's parser. Defaults
are those of the structs whose fields the options fill.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError, unknown_name
from harness.plan.arrivals import KINDS, OpenProcess, Stage
from harness.plan.chat_shape import ChatShape, parse_length, parse_pause
from harness.plan.load_settings import CHECK_MODES, LoadSettings
from harness.plan.option_text import (
    LoadOption,
    choice,
    number,
    parse_extra_body,
    parse_path,
    parse_positive_seconds,
    parse_seconds,
    parse_switch,
    parse_tolerance,
    seconds_text,
    whole,
)
from harness.plan.request_mix import CHAT as CHAT_VERB
from harness.wire.language.generation_options import LENGTH_FIELDS
from harness.wire.own.expectation_text import EXAMPLE, parse_expectation
from harness.wire.protocols import PROTOCOLS, protocol_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.plan.request_mix import RequestClass

MOST_RPS = 1e7
MOST_IN_FLIGHT = 60_000
_STAGE = re.compile(r"\s*([^:]+):(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?\s*")


def help_text(option: LoadOption) -> str:
    """What the option does, with its default where the doc does not state one."""
    default = _default_text(option.field)
    return f"{option.doc} (default: {default})" if default and "default:" not in option.doc else option.doc


def parse_stages(text: str, flag: str) -> tuple[Stage, ...]:
    """`10s:0-100,30s:100` as stages. Raises UserError."""
    stages = []
    for part in text.split(","):
        match = _STAGE.fullmatch(part)
        if match is None:
            raise UserError(
                f"{flag} {text}: cannot read {part.strip()!r}; write length:rate-rate, for example 10s:0-100,30s:100"
            )
        length, start, end = match.groups()
        stage = Stage(seconds=parse_positive_seconds(length, flag), start_rps=float(start), end_rps=float(end or start))
        stages.append(stage)
    if not any(stage.start_rps or stage.end_rps for stage in stages):
        raise UserError(f"{flag} {text}: nothing arrives, all of its numbers are 0")
    return tuple(stages)


def _parse_protocol(text: str, flag: str) -> str:
    del flag
    return protocol_named(text)


def _parse_expectation(text: str, flag: str) -> str:
    parse_expectation(text, flag)
    return text


def _default_text(field: str) -> str:
    """The default of a field as a user would write it; empty where there is none."""
    for struct in (LoadSettings, ChatShape, *KINDS.values()):
        for known in msgspec.structs.fields(struct):
            if known.name == field and known.default not in (msgspec.NODEFAULT, None):
                value = known.default
                if isinstance(value, bool):
                    return "on" if value else "off"
                if field.endswith("_s"):
                    return seconds_text(value)
                return f"{value:g}" if isinstance(value, float) else str(value)
    return ""


SETTINGS = (
    LoadOption(
        "--protocol",
        "protocol",
        _parse_protocol,
        f"the protocol: {', '.join(PROTOCOLS)}, or plain JSON such as json:/predict?send=inputs[]&take=outputs.0; auto "
        "asks the server",
        "NAME",
    ),
    LoadOption(
        "--check",
        "check",
        choice(CHECK_MODES),
        "which responses to compare with the model's own offline predictions: all, sample or off",
        "|".join(CHECK_MODES),
    ),
    LoadOption(
        "--expect",
        "expect",
        _parse_expectation,
        f"what a good response is, for example '{EXAMPLE}' (conditions on status, body and values of JSON): others are "
        "wrong, and these count as checked",
        "CONDITIONS",
    ),
    LoadOption(
        "--tolerance",
        "tolerance",
        parse_tolerance,
        "how far a right response may be from the expected one: a share of each expected value, and after a comma an "
        "absolute difference, such as 0.01,1e-5 (default: by the datatype, for FP32 0.001,1e-6)",
        "SHARE[,NUMBER]",
    ),
    LoadOption("--timeout", "timeout_s", parse_positive_seconds, "a later response is a time-out", "DURATION"),
    LoadOption(
        "--connect-timeout",
        "connect_timeout_s",
        parse_positive_seconds,
        "a connection that is not open after this time is a time-out (default: --timeout)",
        "DURATION",
    ),
    LoadOption(
        "--first-byte-timeout",
        "first_byte_timeout_s",
        parse_positive_seconds,
        "a response that has not begun after this time is a time-out (default: --timeout)",
        "DURATION",
    ),
    LoadOption(
        "--warmup",
        "warmup_s",
        parse_seconds,
        "load before the measured time; its rows are kept (default: 0.5s; 0s for stages, users and a trace, and in a "
        "plain `locust`)",
        "DURATION",
    ),
    LoadOption(
        "--max-in-flight",
        "max_in_flight",
        whole(1, MOST_IN_FLIGHT),
        "open loop: requests open at once; a request that is due beyond that is counted as not sent",
        "N",
    ),
)
ARRIVALS = (
    LoadOption(
        "--arrivals",
        "kind",
        choice(KINDS),
        "how requests arrive: closed (a fixed number of users, each of whom waits for the response), users (whose "
        "number follows --stages), "
        f"or an open loop: {', '.join(kind for kind in KINDS if kind not in ('closed', 'users'))}",
        "KIND",
    ),
    LoadOption("--rate", "rate_rps", number(0, MOST_RPS, above=True), "requests per second of an open loop", "NUMBER"),
    LoadOption(
        "--think-time", "think_time_s", parse_seconds, "closed loop: pause of a user after each response", "DURATION"
    ),
    LoadOption(
        "--stages",
        "stages",
        parse_stages,
        "steps, ramps and spikes: rates of --arrivals stages, or numbers of users of --arrivals users",
        "10s:0-200,20s:200",
    ),
    *(option for kind in KINDS.values() if issubclass(kind, OpenProcess) for option in kind.options),
)
CHAT = (
    LoadOption("--turns", "turns", parse_length, "chat: turns of a conversation", "LENGTH"),
    LoadOption(
        "--prompt-words",
        "prompt_words",
        parse_length,
        "chat: words of each message: 20, 8-64 or lognormal:20,0.5 (default: lines of the prompts, unchanged)",
        "LENGTH",
    ),
    LoadOption(
        "--prompt-tokens",
        "prompt_tokens",
        parse_length,
        "chat: tokens of the first prompt of a conversation, template included, and of each later message, by the "
        "server's own count; the prompts are made of words, and no two begin alike",
        "LENGTH",
    ),
    LoadOption(
        "--tokenizer",
        "tokenizer",
        parse_path,
        "chat, with --prompt-tokens: the model's tokenizer.json, or its .model of SentencePiece, for a server that "
        "counts no tokens of prompts",
        "FILE",
    ),
    LoadOption(
        "--prefix-share",
        "prefix_share",
        number(0, 1, below=True),
        "chat, with --prompt-tokens: the share of a prompt's tokens that all prompts begin with; it is sent before the "
        "load begins",
        "NUMBER",
    ),
    LoadOption(
        "--hang-up",
        "hang_up",
        number(0, 1, below=True),
        "chat: the share of the responses in the middle of which the user closes the connection; they count as "
        "cancelled, and neither as good nor as failed",
        "NUMBER",
    ),
    LoadOption(
        "--tool-pause",
        "tool_pause_ms",
        parse_pause,
        "chat, with users: pause between a response and the next turn of its conversation, as for a tool that runs: "
        "500ms, or 200ms-2s (uniform)",
        "DURATION",
    ),
    LoadOption(
        "--texts",
        "texts",
        parse_length,
        "embeddings: texts of a request; rerank: its documents (default: 1 and 8)",
        "LENGTH",
    ),
    LoadOption("--output-tokens", "output_tokens", parse_length, "chat: tokens of each response", "LENGTH"),
    LoadOption(
        "--lengths",
        "lengths",
        parse_path,
        "chat: lengths of prompts and responses: a trace of Azure, BurstGPT or Mooncake (tokens), or a CSV whose last "
        "two columns are words of the prompt and tokens of the response; a prompt is a whole one, with --turns the new "
        "message of a turn",
        "FILE",
    ),
    LoadOption(
        "--ignore-eos",
        "ignore_eos",
        parse_switch,
        "chat: on asks for all tokens that were drawn, off lets the model end its turn",
        "on|off",
    ),
    LoadOption(
        "--min-tokens",
        "min_tokens",
        parse_switch,
        "chat: on also asks for the drawn number of tokens at least (`min_tokens` of vLLM and others)",
        "on|off",
    ),
    LoadOption(
        "--stream",
        "stream",
        parse_switch,
        "chat: on asks for the response piece by piece, off for one document at its end",
        "on|off",
    ),
    LoadOption(
        "--extra-body",
        "extra_body",
        parse_extra_body,
        'chat: a JSON object whose fields every request has, such as \'{"top_p": 0.9, "stop": ["END"]}\', or @FILE; '
        "null leaves a field of ours out (temperature, stream_options)",
        "JSON",
    ),
    LoadOption(
        "--length-field",
        "length_field",
        choice(LENGTH_FIELDS),
        "chat: the field that holds the number of output tokens (default: what the first request finds out)",
        "NAME",
    ),
    LoadOption(
        "--allow-empty",
        "allow_empty",
        parse_switch,
        "chat: off counts a response without any output as an error, on takes it as good",
        "on|off",
    ),
    LoadOption(
        "--prompts",
        "prompts",
        parse_path,
        "chat: text file with a message per line, or .json, .jsonl or .parquet with prompts (`prompt`, `messages`, "
        "ShareGPT's form), and images beside them (`image`: a file)",
        "FILE",
    ),
)

OF_A_CLASS = ("turns", "prompt_words", "prompt_tokens", "output_tokens", "hang_up", "tool_pause", "extra_body")


def values_of(options: Iterable[LoadOption], texts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that `options` fill, by name, from `texts` by option name; without those that were not given.

    A text is parsed, any other value taken as it is. Raises UserError.
    """
    given = ((option, texts.get(option.name)) for option in options)
    return {
        option.field: option.parse(value, option.flag) if isinstance(value, str) else value
        for option, value in given
        if value not in (None, "")
    }


def settings_of(texts: Mapping[str, Any], **more: Any) -> LoadSettings:
    """The load settings in the values of options, by option name; `more` are further fields. Raises UserError."""
    return LoadSettings(**values_of(SETTINGS, texts), chat=chat_of(texts), **more)


def chat_of_class(request_class: RequestClass, chat: ChatShape) -> ChatShape:
    """The conversations of one request class: those of the load, with the class's own options. Raises UserError."""
    unknown = [name for name in request_class.chat if name not in OF_A_CLASS]
    if unknown:
        raise unknown_name("option in `chat` of a request class", unknown[0], OF_A_CLASS)
    if request_class.chat and request_class.verb != CHAT_VERB:
        raise UserError(f"`chat` sets options of conversations, and this class has the verb {request_class.verb}")
    numbers = {name: str(each) if isinstance(each, int | float) else each for name, each in request_class.chat.items()}
    own = values_of(CHAT, numbers)
    sizes = {"prompt_tokens", "prompt_words"} & set(own)
    if len(sizes) > 1:
        raise UserError("prompt_tokens, prompt_words: both set the lengths of a request class's prompts; give one")
    if sizes:
        own = {"prompt_tokens": None, "prompt_words": None, "lengths": None, "prompts": None, **own}
    if "prompt_words" in sizes:
        own |= {"vocabulary": None, "prefix_share": 0.0}
    if request_class.priority is not None:
        own["extra_body"] = {"priority": request_class.priority, **own.get("extra_body", chat.extra_body)}
    return msgspec.structs.replace(chat, **own)


def chat_of(texts: Mapping[str, Any]) -> ChatShape:
    """The conversations in the values of options, by option name. Raises UserError."""
    return ChatShape(**values_of(CHAT, texts))
