"""Finds the payloads of one request class: its own file, the load's file, or random ones by the server's metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.errors import UserError
from harness.wire.payload_bank import Bank, random_bank
from harness.wire.protocols import find_protocol
from harness.wire.server_probe import read_meta

if TYPE_CHECKING:
    from harness.plan.load_settings import TrialLoad
    from harness.plan.request_mix import ClassShare
    from harness.wire.server_url import ServerUrl

VERB_OUTPUTS = {"explain": "attributions"}


def class_bank(settings: TrialLoad, share: ClassShare, url: ServerUrl, protocol: str) -> Bank:
    """The bank of `share`'s class. Raises UserError where responses are to be checked and none are expected."""
    path = _file(settings, share)
    if path is not None:
        return Bank.load(Path(path))
    if settings.check != "off":
        raise UserError(_advice(share))
    verb, model = share.request_class.verb, share.request_class.model
    if settings.bank is not None and model in (None, settings.model):
        bank = Bank.load(Path(settings.bank))
    else:
        bank = random_bank(read_meta(str(url), model or settings.model, protocol, url.access), settings.seed)
    return bank if verb == "predict" else _asking(bank, verb)


def in_rows(bank: Bank, share: ClassShare, protocol: str) -> Bank:
    """`bank` with as many items in each payload as the class asks for: each item once first, then those after it.

    Raises UserError where the protocol or the model takes one item at a time.
    """
    rows = share.request_class.rows
    if rows == 1:
        return bank
    if not find_protocol(protocol).takes_rows or not _stackable(bank):
        raise UserError(
            f"request class {share.name}: rows={rows} needs the Open Inference Protocol and items of one shape that "
            "are sent as they are; write rows=1"
        )
    count = len(bank.inputs)
    together = (np.arange(count)[:, None] + np.arange(rows)) % count
    expected = bank.expected[together] if len(bank.expected) else bank.expected
    return replace(bank, inputs=bank.inputs[together], labels=bank.labels[:0], expected=expected)


def _stackable(bank: Bank) -> bool:
    return bank.meta.batched and not isinstance(bank.inputs, tuple) and not bank.meta.client


def _file(settings: TrialLoad, share: ClassShare) -> str | None:
    """The class's own file, that of its verb, or the load's where the class asks for the same model and verb."""
    verb, model = share.request_class.verb, share.request_class.model
    found = settings.class_banks.get(share.name)
    if found is None and model in (None, settings.model):
        found = settings.class_banks.get(verb, settings.bank if verb == "predict" else None)
    return found


def _advice(share: ClassShare) -> str:
    if share.request_class == type(share.request_class)():
        return "--check needs --bank, a file of payloads with expected responses; or say --check off"
    return (
        f"request class {share.name}: no responses are expected; give them with --class-bank {share.name}=FILE, "
        "or say --check off"
    )


def _asking(bank: Bank, verb: str) -> Bank:
    """The same payloads for another verb of the model; an attribution has the shape of an input."""
    meta = msgspec.structs.replace(
        bank.meta, verb=verb, output_name=VERB_OUTPUTS[verb], output_shape=bank.meta.input_shape
    )
    return replace(bank, meta=meta, expected=np.zeros(0, np.float32))
