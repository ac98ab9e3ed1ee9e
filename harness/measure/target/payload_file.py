"""Reads payloads from a file of the user's (`--bank`): arrays of NumPy, a payload bank, or whole request bodies.

Arrays keep their own dtype. What cannot be read is refused in one line that says what the file is.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.measure.target.own_requests import bank_of
from harness.wire.own.request_form import RequestForm
from harness.wire.payload_bank import Bank, BankMeta
from harness.wire.tensors import datatype_of
from harness.wire.tolerance import tolerance_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BODIES = (".jsonl", ".json")
_BOM = b"\xef\xbb\xbf"
_ARRAYS = (b"PK", b"\x93NUMPY")  # how .npz and .npy files begin
_HINT = "make one with `np.savez(FILE, inputs=..., expected=...)`, or a .jsonl of whole request bodies"


def read_arrays(path: Path, model: str, meta: BankMeta | None) -> Bank:
    """A payload bank, an `.npz` with `inputs` (n, ...) and perhaps `expected` (n, ...), or an `.npy` of inputs.

    Names come from `meta`, what the server reports; without it the datatype is that of the array. Raises UserError.
    """
    import numpy as np

    try:
        content = _opened(path)
        if isinstance(content, np.ndarray):
            return _bank_of(content, None, model, meta)
        with content as parts:
            if "meta" in parts:
                return Bank.load(path)
            return _bank_of(parts[_inputs_in(parts.files)], parts.get("expected"), model, meta)
    except zipfile.BadZipFile as error:
        raise UserError(f"--bank {path}: the file is damaged, perhaps cut off ({error}); {_HINT}") from error
    except (OSError, EOFError, KeyError, ValueError, TypeError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or (str(error.args[0]) if error.args else "it cannot be read")
        raise UserError(f"--bank {path}: not a file of payloads ({reason}); {_HINT}") from error


def _inputs_in(names: Sequence[str]) -> str:
    """The array that holds the inputs: `inputs`, or the only one. Raises ValueError."""
    others = [name for name in names if name != "expected"]
    if "inputs" not in names and len(others) != 1:
        raise ValueError(f"it holds {', '.join(names) or 'nothing'}, and no `inputs`")
    return "inputs" if "inputs" in names else others[0]


def _opened(path: Path) -> Any:
    """What NumPy reads. Raises ValueError where it would take the file for a pickle."""
    import numpy as np

    with path.open("rb") as file:
        if not file.read(6).startswith(_ARRAYS):
            raise ValueError("it is neither .npz nor .npy")
    return np.load(path, allow_pickle=False)


def _bank_of(inputs: NDArray[Any], expected: NDArray[Any] | None, model: str, meta: BankMeta | None) -> Bank:
    import numpy as np

    if not inputs.ndim or not inputs.size:
        what = "`inputs` holds nothing" if inputs.ndim else "`inputs` is a single value"
        raise ValueError(f"{what}; its first axis counts the payloads")
    predictions = np.zeros(0, np.float32) if expected is None else expected
    if predictions.dtype.kind not in "biuf" or not predictions.ndim:
        raise ValueError(f"`expected` is {predictions.dtype} {predictions.shape}; it must be numbers (n, ...)")
    if len(predictions) not in (0, len(inputs)):
        raise ValueError(f"{len(inputs)} inputs, but {len(predictions)} expected predictions")
    if not np.isfinite(predictions).all():
        row, *place = np.argwhere(~np.isfinite(predictions))[0].tolist()
        wrong = predictions[(row, *place)]
        raise ValueError(f"`expected` holds {wrong} in row {row}, which no response can equal; take it out")
    own = meta or BankMeta(model=model, datatype=datatype_of(inputs), input_shape=(), output_shape=())
    allowed = tolerance_for(datatype_of(predictions), own.datatype)
    shaped = msgspec.structs.replace(
        own,
        input_shape=inputs.shape[1:],
        output_shape=predictions.shape[1:],
        tolerance=allowed.absolute,
        relative_tolerance=allowed.relative,
    )
    return Bank(shaped, inputs, np.zeros(0, np.int64), predictions)


def read_bodies(path: Path, model: str, method: str = "POST") -> Bank:
    """Whole request bodies, which are sent as they are: a JSON document per line, or one in a `.json` file.

    A line of `body` and `expected` alone holds a body, and what is expected of its response. Raises UserError that
    names the line which is no JSON.
    """
    try:
        content = path.read_bytes().removeprefix(_BOM)
        lines = content.splitlines() if path.suffix == ".jsonl" else [content.strip()]
        pairs = [_body_of(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"--bank {path}: {getattr(error, 'strerror', None) or error}; one JSON document a line, "
                        "each a whole request body") from error  # fmt: skip
    if not pairs:
        raise UserError(f"--bank {path}: it is empty; one JSON document a line, each a whole request body")
    beside = [expected for _, expected in pairs if expected is not None]
    if len(beside) not in (0, len(pairs)):
        raise UserError(f"--bank {path}: not every line has `expected`; give it in all of them, or in none")
    form = RequestForm(method=method, expect="$ = {expected}" if beside else "")
    return bank_of([body for body, _ in pairs], form, model, beside)


def _body_of(line: bytes, number: int) -> tuple[bytes, dict[str, Any] | None]:
    """The body in a line of the file, and the expected response where there is one. Raises ValueError."""
    import orjson

    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON ({error})") from error
    if not isinstance(document, dict) or set(document) != {"body", "expected"}:
        return line, None
    return orjson.dumps(document["body"]), {"expected": document["expected"]}
