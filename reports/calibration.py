"""A calibration as text: true figures, what each generator reported, and what this generator can do here."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from harness.calibration.claims import FIGURES
from harness.calibration.result import OURS
from harness.judge.number_text import figure
from reports import units

if TYPE_CHECKING:
    from rich.text import Text

    from harness.calibration.claims import Claim
    from harness.calibration.result import Calibration, Exercised
    from harness.record.machine.envelope import Envelope

_PLAIN_WIDTH = 160
_EXACT = 1e-4
_RIGHT, _WRONG = "\u2713", "\u2717"


def calibration_text(calibration: Calibration, *, terminal: bool | None = None) -> str:
    """The table and what follows from it; coloured where there is a terminal (None: whether there is one decides)."""
    return "\n\n".join(filter(None, (_table(calibration, terminal=terminal), *_sentences(calibration))))


def calibration_markdown(calibration: Calibration) -> str:
    """The same for a file that is kept or published."""
    generators = (OURS, *calibration.peers)
    lines = [
        "# Calibration of the load generator",
        "",
        f"| exercise | figure | true | {' | '.join(generators)} |",
        "|---|---|--:|" + "--:|" * len(generators),
    ]
    for exercise, name, row in _rows(calibration):
        cells = [_said(row.get(generator)) for generator in generators]
        lines.append(f"| {exercise.doc} | {FIGURES[name].title} | {_true(row)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{text}\n" for text in _sentences(calibration))])


def envelope_text(envelope: Envelope) -> str:
    """What one load process can do here."""
    late = ", ".join(
        f"{figure(at.p50_ms, 2)} / {figure(at.p99_ms, 2)} ms at {figure(at.rate_rps, 3)}/s" for at in envelope.lateness
    )
    return (
        f"The envelope of one load process on this machine: at most {figure(envelope.greatest_rps, 3)} requests/s, "
        f"a response time of {figure(envelope.floor_ms, 2)} ms where the server takes none; "
        f"requests leave late by (p50 / p99) {late}."
    )


def _sentences(calibration: Calibration) -> list[str]:
    verdicts = [f"{one.name} {_verdict(one)}" for one in calibration.exercises if one.verdict or one.failure]
    ours = [claim for claim in calibration.claims if claim.generator == OURS]
    wrong = [f"{claim.exercise} {FIGURES[claim.figure].title}" for claim in ours if not claim.right]
    hidden = sorted({f"{claim.exercise} {FIGURES[claim.figure].title}" for claim in ours if not claim.published})
    sentences = [f"Verdicts of our reports on these runs: {', '.join(verdicts)}."] if verdicts else []
    if hidden:
        sentences.append(f"* {', '.join(hidden)}: a report withholds it, since the sample is too small for it.")
    sentences += [f"Could not be run: {text}" for text in calibration.complaints]
    if calibration.envelope is not None:
        sentences.append(envelope_text(calibration.envelope))
    if calibration.interrupted:
        sentences.append("Interrupted: not everything was done.")
    if not calibration.right:
        sentences.append(f"WRONG: {', '.join(wrong) or 'not everything could be run'}.")
    elif ours:
        sentences.append(f"RIGHT: all {len(ours)} figures.")
    return sentences


def _verdict(one: Exercised) -> str:
    if one.failure:
        return f"failed ({one.failure})"
    return f"{one.verdict} ({', '.join(one.reasons)})" if one.reasons else f"{one.verdict}"


def _rows(calibration: Calibration) -> list[tuple[Exercised, str, dict[str, Claim]]]:
    """One row for each exercise and figure: the claims by generator."""
    rows: dict[tuple[str, str], dict[str, Claim]] = {}
    for claim in calibration.claims:
        rows.setdefault((claim.exercise, claim.figure), {})[claim.generator] = claim
    by_name = {one.name: one for one in calibration.exercises}
    order = {name: number for number, name in enumerate(by_name)}
    return [(by_name[name], title, row) for (name, title), row in sorted(rows.items(), key=lambda at: order[at[0][0]])]


def _true(row: dict[str, Claim]) -> str:
    """The true figures of our own run; each generator has its own number of requests."""
    claim = row.get(OURS) or next(iter(row.values()))
    return _value(claim.figure, claim.true)


def _value(name: str, value: float) -> str:
    if name.endswith("_share"):
        return f"{figure(100 * value, 3)} %"
    unit = FIGURES[name].unit
    return f"{units.count(round(value))}" if name == "rows" else f"{figure(value, 3)} {unit}".replace(" /s", "/s")


def _said(claim: Claim | None) -> str:
    """`12.3 ms +0.4 % v`; `not reported` where a generator does not give the figure."""
    if claim is None:
        return units.ABSENT
    if claim.said is None or claim.error is None:
        return "not reported"
    mark = _RIGHT if claim.right else _WRONG
    star = "" if claim.published else "*"
    if claim.figure == "rows" and claim.generator != OURS:
        return f"{_value('rows', claim.said)} of {_value('rows', claim.true)} {mark}"
    return f"{_value(claim.figure, claim.said)}{star} ({_error(claim)}) {mark}"


def _error(claim: Claim) -> str:
    error = claim.error or 0.0
    if abs(error) < _EXACT:
        return "exact" if claim.figure == "rows" and claim.right else "\u00b10"
    sign = "+" if error > 0 else "\u2212"
    if claim.figure.endswith("_share"):
        return f"{sign}{figure(100 * abs(error), 2)} points"
    return f"{sign}{figure(100 * abs(error), 2)} %"


def _table(calibration: Calibration, *, terminal: bool | None) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    fancy = sys.stdout.isatty() if terminal is None else terminal
    file = io.StringIO()
    width = None if fancy else _PLAIN_WIDTH
    console = Console(file=file, force_terminal=fancy, no_color=not fancy, width=width, highlight=False)
    generators = (OURS, *calibration.peers)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("server and load", overflow="fold", max_width=44)
    table.add_column("figure", no_wrap=True)
    for title in ("true", *generators):
        table.add_column(title, justify="right", overflow="fold")
    before = None
    for exercise, name, row in _rows(calibration):
        first = exercise.doc if exercise is not before else ""
        table.add_row(first, FIGURES[name].title, _true(row), *(_cell(row.get(generator)) for generator in generators))
        before = exercise
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _cell(claim: Claim | None) -> Text:
    from rich.text import Text

    style = "" if claim is None or claim.right is None else "green" if claim.right else "red"
    return Text(_said(claim), style=style)
