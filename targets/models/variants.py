"""A prepared model as the knobs of preprocessing want it: other banks, another graph, another accuracy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from targets.models.cache import CacheEntry
from targets.models.making import run_maker
from targets.models.preparation import say
from targets.preprocessing.place import CLIENT, GRAPH, OFFLINE

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel
    from targets.preprocessing.place import Preprocessing

CODE = ("variant.py", "graph.py", "offline.py")


def as_preprocessed(prepared: PreparedModel, way: Preprocessing, progress: Progress) -> PreparedModel:
    """`prepared` for clients that send what `way` says, made the first time. Raises UserError, RunError."""
    if way.place == OFFLINE:
        return prepared
    name = prepared.card.name
    code = hashlib.sha256(b"".join((Path(__file__).parent / file).read_bytes() for file in CODE)).hexdigest()[:8]

    def make(folder: Path) -> None:
        progress(f"preparing {name} for {way.name}", 0, 1)
        words = ["targets.models.variant", name, str(prepared.path), str(folder), json.dumps(way.choice)]
        run_maker(f"preparing {name}", words, progress)

    folder = CacheEntry(f"{prepared.path.parent.name}-{way.name}-{code}", say=say).ensure(make)
    figures = json.loads((folder / "figures.json").read_text())
    return replace(
        prepared,
        path=folder / "graph.keras" if way.place == GRAPH else prepared.path,
        card=msgspec.structs.replace(prepared.card, **figures),
        bank_path=folder / ("client.npz" if way.place == CLIENT else "raw.npz"),
    )
