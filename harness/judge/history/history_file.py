"""All runs in one SQLite file: a table of runs, and one of their figures."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.judge.gate.baseline import GOODPUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.judge.gate.baseline import Baseline

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY, made_at TEXT NOT NULL, commit_id TEXT, machine TEXT NOT NULL, machine_words TEXT NOT NULL,
    harness_version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS figures (
    run TEXT NOT NULL REFERENCES runs (run), point TEXT NOT NULL, label TEXT NOT NULL, figure TEXT NOT NULL,
    value REAL NOT NULL, low REAL, high REAL, usable INTEGER NOT NULL, PRIMARY KEY (run, point, figure));
"""
_SERIES = """
SELECT point, label, figure, made_at, commit_id, machine, machine_words, value, low, high
FROM figures JOIN runs USING (run) WHERE usable ORDER BY point, figure, made_at
"""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One figure of one run. `machine` is equal for runs on the same hardware."""

    point: str
    label: str
    figure: str
    made_at: str
    commit: str | None
    machine: str
    machine_words: str
    value: float
    low: float | None
    high: float | None


def add_runs(path: Path, baselines: list[Baseline]) -> int:
    """Add the figures of runs that the file does not hold yet; returns how many. Raises UserError."""
    added = 0
    with _opened(path) as database:
        for baseline in baselines:
            machine, words = _machine(baseline)
            figures = [*_figures(baseline)]
            points = [*dict.fromkeys(point for point, *_ in figures)]
            run = _hash(f"{baseline.made_at} {baseline.commit} {machine} {points}")
            row = (run, baseline.made_at, baseline.commit, machine, words, baseline.harness_version)
            if database.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
                added += 1
                rows = [(run, *figure) for figure in figures]
                database.executemany("INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return added


def read_history(path: Path) -> list[HistoryEntry]:
    """Every usable figure, by point, figure and time. Raises UserError."""
    with _opened(path) as database:
        return [HistoryEntry(*row) for row in database.execute(_SERIES)]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database in the file; what was written is kept where the block ends well."""
    try:
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(_TABLES)
            yield database
    except sqlite3.Error as error:
        raise UserError(f"--file {path}: no history can be kept there ({error}); name another file") from error


def _figures(baseline: Baseline) -> Iterator[tuple[object, ...]]:
    """The rows of the table `figures`, without the run; `point` is another for another service."""
    plan = baseline.plan
    for point in baseline.points:
        service = [point.target or plan.target, point.model or plan.model, plan.scenario]
        for name, figure in point.figures.items():
            of = [*service, str(plan.slo)] if name == GOODPUT else service
            key = msgspec.json.encode((*of, point.key)).decode()
            label = f"{point.label} ({', '.join(filter(None, of))})"
            yield key, label, name, figure.value, figure.low, figure.high, point.tells(name)


def _machine(baseline: Baseline) -> tuple[str, str]:
    """The hardware as a hash, and in words."""
    cpu, gpus = baseline.environment.cpu, baseline.environment.gpus
    words = ", ".join([f"{cpu.model} ({cpu.logical_cores} cores)", *(gpu.name for gpu in gpus)])
    return _hash(words), words


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
