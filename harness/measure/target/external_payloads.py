"""Makes payloads for an external server, with expected predictions where there are any.

They come from the first of these that exists: the user's own file (`--bank`); a reference model (`--reference`, or
the model's own name where this project has a model of that name); random numbers of the shape that the server reports.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.errors import UserError
from harness.measure.target.prepared_model import prepare_bank
from harness.plan.target_spec import project_targets
from harness.wire.payload_bank import FREE, Bank, BankMeta, random_bank
from harness.wire.protocols import chats, find_protocol
from harness.wire.raw_bodies import BODY
from harness.wire.server_probe import ask_once, read_meta

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.plan import Plan

BODIES = ".jsonl"


class BankFile(NamedTuple):
    """A payload bank on disk."""

    path: Path | None  # None: the load makes its own payloads
    known: bool  # whether it holds expected predictions


class ExternalPayloads:
    """Makes one payload bank per server, protocol and model; `close` removes the files."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = tempfile.TemporaryDirectory(prefix="sweepspot-payloads-")
        self._made: dict[tuple[str, str, str], BankFile] = {}

    def bank_for(self, url: str, protocol: str, model: str, given: Path | None = None) -> BankFile:
        """The bank for `model`; `given` is the bank of a recipe's reference model. Raises UserError.

        Its first payload is sent once, because a server's metadata may be wrong.
        """
        if chats(protocol):  # the prompts of conversations come from elsewhere
            return BankFile(None, known=False)
        key = url, protocol, model
        if key not in self._made:
            named = self._plan.payloads or self._plan.reference
            bank = Bank.load(given) if given and not named else external_bank(self._choice(url, protocol, model))
            ask_once(url, protocol, bank)
            path = Path(self._folder.name) / f"{len(self._made)}.npz"
            bank.save(path)
            self._made[key] = BankFile(path, known=bool(len(bank.expected)))
        return self._made[key]

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def _choice(self, url: str, protocol: str, model: str) -> PayloadChoice:
        plan = self._plan
        return PayloadChoice(
            url=url,
            model=model,
            protocol=protocol,
            file=plan.payloads,
            reference=plan.reference,
            shape=plan.item_shape,
            check=any(plan.load_at(point).check != "off" for point in plan.points),
            seed=plan.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadChoice:
    """The model that payloads are for, and what the user asked for."""

    url: str
    model: str
    protocol: str
    file: str = ""  # --bank
    reference: str = ""  # --reference
    shape: tuple[int, ...] = ()  # --shape, of one item
    check: bool = True  # whether predictions are compared, where they can be
    seed: int = 0


def external_bank(choice: PayloadChoice) -> Bank:
    """The bank that was chosen, without expected predictions where there are none. Raises UserError."""
    if choice.file.endswith(BODIES):
        return _bodies(choice)
    meta = _metadata(choice)
    if choice.file:
        return _served(_from_file(choice, meta), meta, choice, f"--bank {choice.file}")
    reference = choice.reference or (choice.model if choice.check and choice.model in _reference_models() else "")
    if reference:
        return _served(Bank.load(prepare_bank(reference)), meta, choice, f"--reference {reference}")
    if meta is None:
        raise UserError(
            f"--protocol {choice.protocol}: it does not say what the model takes; give payloads with --bank "
            "FILE, or a model that takes the same with --reference MODEL"
        )
    return random_bank(_sized(meta, choice), choice.seed)


def _metadata(choice: PayloadChoice) -> BankMeta | None:
    """What the server reports of its model; None where it reports nothing."""
    if find_protocol(choice.protocol).read_meta is None:
        return None
    try:
        return read_meta(choice.url, choice.model, choice.protocol)
    except UserError:
        if choice.file or choice.reference:  # then the metadata are not needed
            return None
        raise


def _reference_models() -> set[str]:
    return {model for target in project_targets().values() for model in target.models}


def _sized(meta: BankMeta, choice: PayloadChoice) -> BankMeta:
    """The metadata with the sizes that the user gave for what the server leaves open."""
    shape = choice.shape or meta.input_shape
    if len(shape) != len(meta.input_shape) or any(
        known not in (FREE, given) for known, given in zip(meta.input_shape, shape, strict=True)
    ):
        raise UserError(f"--shape {_text(shape)}: {choice.model} takes {_text(meta.input_shape)}")
    if FREE in shape:
        raise UserError(
            f"--model {choice.model}: its input {meta.input_name!r} is of free size ({_text(shape)}); say which with "
            f"--shape {_text(tuple(8 if size == FREE else size for size in shape))}, or give payloads with --bank FILE"
        )
    return msgspec.structs.replace(meta, input_shape=shape)


def _served(bank: Bank, meta: BankMeta | None, choice: PayloadChoice, flag: str) -> Bank:
    """`bank` with the names that the server uses. Raises UserError where its items do not fit what the server takes."""
    own = bank.meta
    if meta is None:
        return replace(bank, meta=msgspec.structs.replace(own, model=choice.model))
    fits = _fits(own.input_shape, meta.input_shape)
    if not fits or (len(bank.expected) and not _fits(own.output_shape, meta.output_shape)):
        what, ours, theirs = (
            ("gives", own.output_shape, meta.output_shape) if fits else ("takes", own.input_shape, meta.input_shape)
        )
        raise UserError(
            f"{flag}: its items are {_text(ours)}, but {choice.model} at {choice.url} {what} {_text(theirs)}; "
            "give a reference model of the same shape with --reference, payloads with --bank FILE, or say --check off"
        )
    names = {"input_name": meta.input_name, "output_name": meta.output_name, "datatype": meta.datatype}
    return replace(bank, meta=msgspec.structs.replace(own, model=choice.model, **names))


def _fits(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    return len(ours) == len(theirs) and all(FREE in (a, b) or a == b for a, b in zip(ours, theirs, strict=True))


def _from_file(choice: PayloadChoice, meta: BankMeta | None) -> Bank:
    """A payload bank, or any `.npz` with `inputs` (n, ...) and perhaps `expected` (n, ...)."""
    import numpy as np

    path = Path(choice.file)
    try:
        with np.load(path, allow_pickle=False) as parts:
            if "meta" in parts:
                return Bank.load(path)
            return _plain(parts["inputs"], parts.get("expected"), choice, meta)
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise UserError(
            f"--bank {path}: not a file of payloads ({error}); make one with "
            "`np.savez(FILE, inputs=..., expected=...)`, or a .jsonl of whole request bodies"
        ) from error


def _plain(
    inputs: NDArray[np.float32], expected: NDArray[np.float32] | None, choice: PayloadChoice, meta: BankMeta | None
) -> Bank:
    import numpy as np

    predictions = np.zeros(0, np.float32) if expected is None else expected
    if len(predictions) not in (0, len(inputs)):
        raise ValueError(f"{len(inputs)} inputs, but {len(predictions)} expected predictions")
    own = meta or BankMeta(model=choice.model, input_shape=(), output_shape=())
    shaped = msgspec.structs.replace(own, input_shape=inputs.shape[1:], output_shape=predictions.shape[1:])
    return Bank(shaped, inputs, np.zeros(0, np.int64), predictions)


def _bodies(choice: PayloadChoice) -> Bank:
    """Whole request bodies, a JSON document per line, sent as they are: for models with several inputs, or texts."""
    import numpy as np

    try:
        lines = [line for line in Path(choice.file).read_bytes().splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            _check_line(line, number)
    except (OSError, ValueError) as error:
        raise UserError(f"--bank {choice.file}: {getattr(error, 'strerror', None) or error}; one JSON document a line, "
                        "each a whole request body") from error  # fmt: skip
    if not lines:
        raise UserError(f"--bank {choice.file}: it is empty; one JSON document a line, each a whole request body")
    meta = BankMeta(model=choice.model, datatype=BODY, input_shape=(FREE,), output_shape=())
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
