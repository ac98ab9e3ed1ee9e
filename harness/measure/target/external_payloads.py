"""Makes payloads for an external server, with expected predictions where there are any.

They come from the first of these that exists: the user's own file (`--bank`); a reference model (`--reference`, or
the model's own name where this project has a model of that name); random numbers of the shape that the server reports.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from harness.errors import UserError
from harness.measure.target.own_requests import own_bank, service_bank
from harness.measure.target.payload_file import BODIES, read_arrays, read_bodies
from harness.measure.target.prepared_model import prepare_bank
from harness.plan.target_spec import project_targets
from harness.system.temporary_folder import OwnedFolder
from harness.wire.grpc.own_service import OWN_SERVICE
from harness.wire.http.raw_bodies import BODY, HTTP
from harness.wire.own.expectation_text import expectation_of
from harness.wire.own.own_request import OwnRequest
from harness.wire.payload_bank import FREE, Bank, BankMeta, random_bank
from harness.wire.prompt_bank import PromptBank
from harness.wire.protocols import chats, find_protocol
from harness.wire.server_probe import ask_once, read_meta
from harness.wire.tensors import held, json_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.plan.plan import Plan


NONE = OwnRequest()


class BankFile(NamedTuple):
    """A payload bank on disk."""

    path: Path | None  # None: the load makes its own payloads
    known: bool  # whether it holds expected predictions


class ExternalPayloads:
    """Makes one payload bank per server, protocol and model; `close` removes the files."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = OwnedFolder("payloads")
        self._made: dict[tuple[str, str, str], BankFile] = {}
        self._first_response_s: float | None = None

    def bank_for(self, url: str, protocol: str, model: str, given: Path | None = None, requests: int = 1) -> BankFile:
        """The bank for `model`; `given` is the bank of a recipe's reference model. Raises UserError.

        Its first payload is sent once, because a server's metadata may be wrong; `requests` of them to warm it up.
        """
        if chats(protocol):  # the prompts of conversations come from elsewhere
            prompts = self._plan.load.chat.prompts
            return BankFile(None, known=bool(prompts) and PromptBank.load(Path(prompts or "")).known)
        key = url, protocol, model
        if key not in self._made:
            named = self._plan.payloads or self._plan.reference
            bank = Bank.load(given) if given and not named else external_bank(self._choice(url, protocol, model))
            first = ask_once(url, protocol, bank, self._plan.load.expect, requests)
            self._first_response_s = first.took_s
            bank = first.bank
            path = self._folder.path / f"{len(self._made)}.npz"
            bank.save(path)
            expected = expectation_of(self._plan.load.expect, bank.meta.request)
            self._made[key] = BankFile(path, known=bool(len(bank.expected)) or expected is not None)
        return self._made[key]

    def take_first_response_s(self) -> float | None:
        """How long the first response took of a server that was asked since the last call; None where none was."""
        taken, self._first_response_s = self._first_response_s, None
        return taken

    def forget(self) -> None:
        """Forget all banks: another server is there, which may have the same URL."""
        self._made.clear()

    def close(self) -> None:
        """Remove the files."""
        self._folder.remove()

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
            request=plan.request,
            expect=plan.load.expect,
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
    request: OwnRequest = NONE  # --method, --body, --form and --data
    expect: str = ""  # --expect


def external_bank(choice: PayloadChoice) -> Bank:
    """The bank that was chosen, without expected predictions where there are none. Raises UserError."""
    if choice.file.endswith(BODIES):
        method = choice.request.method or "POST"
        bodies = read_bodies(Path(choice.file), choice.model, method)
        return bodies if choice.protocol != OWN_SERVICE.name else service_bank(bodies, choice.request, choice.url)
    if choice.protocol == HTTP.name and not choice.file and not choice.reference:
        return own_bank(choice.request, choice.expect, choice.model)
    if choice.protocol == OWN_SERVICE.name:
        return service_bank(own_bank(choice.request, choice.expect, choice.model), choice.request, choice.url)
    return _fitting(_array_bank(choice), choice.protocol)


def _array_bank(choice: PayloadChoice) -> Bank:
    meta = _metadata(choice)
    if choice.file:
        own = read_arrays(Path(choice.file), choice.model, meta)
        return _served(own, meta, choice, f"--bank {choice.file}")
    known = choice.check and choice.model in _reference_models() and not (meta and meta.of_file)
    reference = choice.reference or (choice.model if known else "")
    if reference:
        return _served(Bank.load(prepare_bank(reference)), meta, choice, f"--reference {reference}")
    if meta is None and choice.shape and find_protocol(choice.protocol).read_meta is not None:
        meta = BankMeta(model=choice.model, output_name="", input_shape=choice.shape, output_shape=())
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
        if choice.file or choice.reference or choice.shape:  # then the metadata are not needed
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
        return replace(bank, meta=msgspec.structs.replace(own, model=choice.model, output_name=""))
    if not own.input_shape and _fits((1,), meta.input_shape) and not isinstance(bank.inputs, tuple):
        own = msgspec.structs.replace(own, input_shape=(1,))  # such as texts, of which a model takes columns
        bank = replace(bank, inputs=bank.inputs[:, None])
    fits = _fits(own.input_shape, meta.input_shape)
    if not fits or (len(bank.expected) and not _fits(own.output_shape, meta.output_shape)):
        which, what, ours, theirs = (
            ("expected predictions", "gives", own.output_shape, meta.output_shape)
            if fits
            else ("items", "takes", own.input_shape, meta.input_shape)
        )
        raise UserError(
            f"{flag}: its {which} are {_text(ours)}, but {choice.model} at {choice.url} {what} {_text(theirs)}; "
            "give a reference model of the same shape with --reference, payloads with --bank FILE, or say --check off"
        )
    names = {"input_name": meta.input_name, "output_name": meta.output_name, "datatype": meta.datatype}
    named = msgspec.structs.replace(own, model=choice.model, batched=meta.batched, **names)
    return replace(bank, meta=named)


def _fits(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    return len(ours) == len(theirs) and all(FREE in (a, b) or a == b for a, b in zip(ours, theirs, strict=True))


def _fitting(bank: Bank, protocol: str) -> Bank:
    """`bank` with its items in the datatype that the model takes. Raises UserError for values that cannot be sent."""
    meta, to_json = bank.meta, not find_protocol(protocol).carries_bytes
    if meta.datatype == BODY:
        return bank

    def fitted(values: NDArray[Any]) -> NDArray[Any]:
        values = held(values, meta.datatype)
        if to_json:
            json_values(values, meta.datatype)
        return values

    inputs = bank.inputs
    return replace(bank, inputs=tuple(map(fitted, inputs)) if isinstance(inputs, tuple) else fitted(inputs))


def _text(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape)) or "a single value"
