"""The answer of a gate as Markdown, JUnit and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from harness.judge.gate.gate_result import GateResult


def write_gate(folder: Path, result: GateResult) -> None:
    """Write `gate.md`, `gate.xml` (JUnit) and `gate.html` into `folder`. Raises RunError."""
    from harness.files import write_whole
    from reports.gate.gate_page import gate_html
    from reports.gate.gate_texts import gate_junit, gate_markdown

    for name, text in (
        ("gate.md", gate_markdown(result)),
        ("gate.xml", gate_junit(result)),
        ("gate.html", gate_html(result)),
    ):
        write_whole(folder / name, text.encode())
