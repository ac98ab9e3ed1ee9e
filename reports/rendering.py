"""From a template and its view to one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
PAGE_SCRIPTS = ("tip.js", "cells.js", "zoom.js", "lines.js", "sort.js")  # a page reads as well without them
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")  # a browser would complain of them


def live_html() -> str:
    """The page on which a run is watched; it asks the run for its state."""
    return render("live.html.j2", scripts=("tip.js", "live.js"))


def render(template: str, scripts: Sequence[str] = PAGE_SCRIPTS, **view: Any) -> str:
    """The page; the same bytes for the same view. The scripts that the page may run are added by their hash."""
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in scripts)
    text = _environment().get_template(template).render(script=script, script_hash=_csp_hash(script), **view)
    return _CONTROL.sub("\ufffd", text)


@cache  # with the compiled templates: to compile those of a report takes longer than to fill them in
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _csp_hash(script: str) -> str:
    """The hash by which the page's security policy lets this script run, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
