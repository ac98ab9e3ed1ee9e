"""Values on a command line that are named as secrets are: `?api_key=...` in a URL, `"password": "..."` in a body.

They are kept in the environment, which child processes inherit, under `SWEEPSPOT_SECRET_<NAME>`. Command lines of child
processes, files of a run and reports have the variable's name alone, and `--resume` reads it again.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "SWEEPSPOT_SECRET_"  # of the variables' names
BODIES = ("--body", "--form")
_ENDS = "api[_-]?key|access[_-]?key|token|secret|password|passwd|passphrase|signature|credentials?|jwt"
_NAMED = rf"(?:[\w-]*(?:{_ENDS})|pwd|auth)"
_IN_URL = rf"(?:{_NAMED}|key|sig|code|subscription-key)"  # in a body these mean anything
_VALUE = r"(?!\$SWEEPSPOT_SECRET_)((?:(?!,\w+://)[^&#\s'\"{}]){6,})"  # a comma may separate URLs; {} fills fields
_IN_QUERY = re.compile(rf"([?&]({_IN_URL})=){_VALUE}", re.IGNORECASE)
_IN_FORM = re.compile(rf"((?:^|[?&])({_NAMED})=)(?!@){_VALUE}", re.IGNORECASE)
_IN_JSON = re.compile(rf'("({_NAMED})"\s*:\s*")(?!\$SWEEPSPOT_SECRET_)([^"\\{{}}]{{6,}})(?=")', re.IGNORECASE)
_HELD = re.compile(r"\$(SWEEPSPOT_SECRET_\w+)")


def without_named_secrets(words: Sequence[str]) -> list[str]:
    """The arguments, with the names of variables in place of secrets; the environment holds these from now on."""
    kept = []
    for before, word in pairwise(("", *words)):
        text = _IN_QUERY.sub(_hold, word)
        if before in BODIES or word.startswith(tuple(f"{flag}=" for flag in BODIES)):
            flag, equals, value = text.partition("=") if word.startswith("--") else ("", "", text)
            text = flag + equals + without_body_secrets(value)
        kept.append(text)
    return kept


def without_body_secrets(text: str) -> str:
    """A body or a field of a form, likewise."""
    return _IN_JSON.sub(_hold, _IN_FORM.sub(_hold, text))


def _hold(found: re.Match[str]) -> str:
    before, name, value = found.groups()
    variable = PREFIX + re.sub(r"\W", "_", name).upper()
    while os.environ.setdefault(variable, value) != value:
        variable += "_"
    return f"{before}${variable}"


def with_named_secrets(text: str) -> str:
    """The text with the values that the environment holds. Raises UserError where it lacks one."""
    for name in held_names(text):
        if name not in os.environ:
            raise UserError(f"{name}: the environment has no such variable; no file keeps this secret, so set it again")
    return _HELD.sub(lambda found: os.environ[found[1]], text)


def held_names(text: str) -> list[str]:
    """The names of variables in the text, each once."""
    return list(dict.fromkeys(_HELD.findall(text)))


def held_secrets() -> list[str]:
    """The values that the environment holds, as they are written in a URL and as a server reads them there."""
    values = [value for name, value in os.environ.items() if name.startswith(PREFIX) and value]
    return list(dict.fromkeys((*values, *map(unquote, values))))


def hidden_query_secrets(text: str) -> str:
    """The text, in which a URL does not show the values of parameters that are named as secrets are (`api_key=...`)."""
    return _IN_QUERY.sub(r"\1...", text)
