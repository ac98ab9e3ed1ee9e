"""Adapts a trained model to the preprocessing knobs: other payload banks, another graph, another accuracy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from targets.models.cache import CacheEntry
from targets.models.fingerprint import fingerprint
from targets.models.maker_process import run_maker
from targets.models.preparation import say
from targets.preprocessing.place import CLIENT, GRAPH, OFFLINE

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel
    from targets.preprocessing.place import Preprocessing

CODE = ("make_variant.py", "preprocessing_graph.py", "offline.py")


def as_preprocessed(prepared: PreparedModel, preprocessing: Preprocessing, progress: Progress) -> PreparedModel:
    """`prepared` for clients that send what `preprocessing` says. Made on first use. Raises UserError, RunError."""
    if preprocessing.place == OFFLINE:
        return prepared
    name = prepared.card.name
    code = fingerprint(Path(__file__).parent / file for file in CODE)

    def make(folder: Path) -> None:
        progress(f"preparing {name} for {preprocessing.name}", 0, 1)
        words = ["targets.models.make_variant", name, str(prepared.path), str(folder), json.dumps(preprocessing.choice)]
        run_maker(f"preparing {name}", words, progress)

    folder = CacheEntry(f"{prepared.path.parent.name}-{preprocessing.name}-{code}", say=say).ensure(make)
    figures = json.loads((folder / "figures.json").read_text())
    return replace(
        prepared,
        path=folder / "graph.keras" if preprocessing.place == GRAPH else prepared.path,
        card=msgspec.structs.replace(prepared.card, **figures),
        bank_path=folder / ("client.npz" if preprocessing.place == CLIENT else "raw.npz"),
    )
