"""What a scenario wants by default, read from its file without running it: importing a scenario imports Locust."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "DEFAULTS"


def scenario_defaults(path: Path) -> dict[str, str]:
    """The literal dictionary that the file calls DEFAULTS, by option name (`target`, `model`, `slo`, ...).

    Empty where the file has none, or cannot be read as Python: who runs it will say so. Raises UserError where
    DEFAULTS is no literal.
    """
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    for node in module.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [NAME]:
            try:
                return {str(name): str(value) for name, value in ast.literal_eval(node.value).items()}
            except (ValueError, AttributeError) as error:
                raise UserError(f"--scenario {path}: {NAME} must be a literal dictionary of option names") from error
    return {}
