"""Payloads for a server that is not ours: what is sent to it, and whether anybody knows the right answers.

In this order: the user's own file (`--bank`), the payloads of a reference model (`--reference`, or the model's own
name where this project has one of that name), random numbers of the shape that the server says its model takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.measure.target.prepared_model import prepare_bank
from harness.plan.target_spec import known_targets
from harness.wire.payload_bank import FREE, Bank, BankMeta
from harness.wire.protocols import PLAIN_JSON
from harness.wire.server_probe import read_meta

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BODIES = ".jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadOrder:
    """Whose payloads are wanted, and what the user said of them."""

    url: str
    model: str
    protocol: str
    file: str = ""  # --bank
    reference: str = ""  # --reference
    shape: tuple[int, ...] = ()  # --shape, of one item
    check: bool = True  # whether answers are to be compared, where they can be
    seed: int = 0


def foreign_bank(order: PayloadOrder) -> Bank:
    """The bank; without expected answers where nobody knows them. Raises UserError that names the remedy."""
    if order.file.endswith(BODIES):
        return _bodies(order)
    meta = _metadata(order)
    if order.file:
        return _served(_from_file(order, meta), meta, order, f"--bank {order.file}")
    reference = order.reference or (order.model if order.check and order.model in _reference_models() else "")
    if reference:
        return _served(Bank.load(prepare_bank(reference)), meta, order, f"--reference {reference}")
    if meta is None:
        raise UserError(
            f"--protocol {order.protocol}: plain JSON says nothing of what the model takes; give payloads with --bank "
            "FILE, or a model that takes the same with --reference MODEL"
        )
    from harness.wire.payloads import random_bank

    return random_bank(_sized(meta, order), order.seed)


def _metadata(order: PayloadOrder) -> BankMeta | None:
    """What the server says of its model; None where it says nothing."""
    if order.protocol.startswith(PLAIN_JSON):
        return None
    try:
        return read_meta(order.url, order.model, order.protocol)
    except UserError:
        if order.file or order.reference:  # then it need not say anything
            return None
        raise


def _reference_models() -> set[str]:
    return {model for spec in known_targets().values() if spec.server is None for model in spec.models}


def _sized(meta: BankMeta, order: PayloadOrder) -> BankMeta:
    """The metadata with the sizes that the user gave for what the server leaves open."""
    shape = order.shape or meta.input_shape
    if len(shape) != len(meta.input_shape) or any(
        said not in (FREE, given) for said, given in zip(meta.input_shape, shape, strict=True)
    ):
        raise UserError(f"--shape {_text(shape)}: {order.model} says it takes {_text(meta.input_shape)}")
    if FREE in shape:
        raise UserError(
            f"--model {order.model}: its input {meta.input_name!r} is of free size ({_text(shape)}); say which with "
            f"--shape {_text(tuple(8 if size == FREE else size for size in shape))}, or give payloads with --bank FILE"
        )
    return msgspec.structs.replace(meta, input_shape=shape)


def _served(bank: Bank, meta: BankMeta | None, order: PayloadOrder, flag: str) -> Bank:
    """`bank` with the names that the server uses. Raises UserError where its items do not fit what the server takes."""
    own = bank.meta
    if meta is None:
        return replace(bank, meta=msgspec.structs.replace(own, model=order.model))
    fits = _fits(own.input_shape, meta.input_shape)
    if not fits or (len(bank.expected) and not _fits(own.output_shape, meta.output_shape)):
        what, ours, theirs = (
            ("gives", own.output_shape, meta.output_shape) if fits else ("takes", own.input_shape, meta.input_shape)
        )
        raise UserError(
            f"{flag}: its items are {_text(ours)}, but {order.model} at {order.url} says it {what} {_text(theirs)}; "
            "give a reference model of the same shape with --reference, payloads with --bank FILE, or say --check off"
        )
    names = {"input_name": meta.input_name, "output_name": meta.output_name, "datatype": meta.datatype}
    return replace(bank, meta=msgspec.structs.replace(own, model=order.model, **names))


def _fits(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    return len(ours) == len(theirs) and all(FREE in (a, b) or a == b for a, b in zip(ours, theirs, strict=True))


def _from_file(order: PayloadOrder, meta: BankMeta | None) -> Bank:
    """A bank of ours, or any `.npz` with `inputs` (n, ...) and perhaps `expected` (n, ...)."""
    import numpy as np

    path = Path(order.file)
    try:
        with np.load(path, allow_pickle=False) as parts:
            if "meta" in parts:
                return Bank.load(path)
            return _plain(parts["inputs"], parts.get("expected"), order, meta)
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise UserError(
            f"--bank {path}: not a file of payloads ({error}); make one with "
            "`np.savez(FILE, inputs=..., expected=...)`, or a .jsonl of whole request bodies"
        ) from error


def _plain(
    inputs: NDArray[np.float32], expected: NDArray[np.float32] | None, order: PayloadOrder, meta: BankMeta | None
) -> Bank:
    import numpy as np

    answers = np.zeros(0, np.float32) if expected is None else expected
    if len(answers) not in (0, len(inputs)):
        raise ValueError(f"{len(inputs)} inputs, but {len(answers)} expected answers")
    own = meta or BankMeta(model=order.model, input_shape=(), output_shape=())
    shaped = msgspec.structs.replace(own, input_shape=inputs.shape[1:], output_shape=answers.shape[1:])
    return Bank(shaped, inputs, np.zeros(0, np.int64), answers)


def _bodies(order: PayloadOrder) -> Bank:
    """Whole request bodies, a JSON document per line, sent as they are: for models with several inputs, or texts."""
    import numpy as np

    from harness.wire.raw_bodies import BODY

    try:
        lines = [line for line in Path(order.file).read_bytes().splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            _check_line(line, number)
    except (OSError, ValueError) as error:
        raise UserError(f"--bank {order.file}: {getattr(error, 'strerror', None) or error}; one JSON document a line, "
                        "each a whole request body") from error  # fmt: skip
    if not lines:
        raise UserError(f"--bank {order.file}: it is empty; one JSON document a line, each a whole request body")
    meta = BankMeta(model=order.model, datatype=BODY, input_shape=(FREE,), output_shape=())
    items = tuple(np.frombuffer(line, dtype=np.uint8) for line in lines)
    return Bank(meta, items, np.zeros(0, np.int64), np.zeros(0, np.float32))


def _check_line(line: bytes, number: int) -> None:
    import orjson

    try:
        orjson.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON ({error})") from error


def _text(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape)) or "a single number"
