"""A model's own metadata, as a server reports it before a load: names, shapes and datatype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.wire.bounded_http import OK, NoResponseError, get
from harness.wire.bounded_json import parse_json
from harness.wire.credentials import TOKEN, TOKEN_FILE
from harness.wire.failure_text import quoted
from harness.wire.payload_bank import FREE, BankMeta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.wire.bounded_http import BoundedResponse
    from harness.wire.server_url import ServerUrl

REFUSED = (401, 403)
FROM_FILE = "_file"  # the platform of a model that an embedded server has from a file of the user's own ends so
PAYLOADS = "give payloads with --bank FILE, or the sizes of one input with --shape"
MAX_NAME_CHARS = 1024
MAX_AXES = 32
MAX_SIZE = 2**31 - 1  # of an axis


def ask(url: ServerUrl, path: str) -> BoundedResponse:
    """The response to GET `path`. Raises UserError where there is none."""
    try:
        return get(url, path)
    except NoResponseError as error:
        raise UserError(f"{url}: no response ({error}); {error.remedy}", subject="server") from error


def read_document(url: ServerUrl, model: str, path: str, parse: Callable[[str, Any], BankMeta]) -> BankMeta:
    """What `parse(model, document)` finds in the JSON document at `path`. Raises UserError."""
    response = ask(url, path)
    if response.status in REFUSED:
        raise UserError(
            f"{url}: HTTP {response.status}: it asks for a bearer token, which is missing, wrong or expired; "
            f"set {TOKEN}, or {TOKEN_FILE} to the path of a file",
            subject="server",
        )
    if response.status != OK:
        raise UserError(
            f"{model}: {url}{path} answers {response.status}; which models does this server have?", subject="model"
        )
    try:
        return checked_meta(parse(model, parse_json(response.body)))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{url}: cannot read what {model} takes from {path} ({_words(error)}); {PAYLOADS}",
            subject="server",
        ) from error


def checked_meta(meta: BankMeta) -> BankMeta:
    """`meta`, whose values a server sent. Raises ValueError where a name is no text, or a shape beyond the bounds."""
    for text in (meta.input_name, meta.output_name, meta.datatype):
        if not isinstance(text, str) or len(text) > MAX_NAME_CHARS:
            raise ValueError(f"{quoted(str(text))} is no name")
    for shape in (meta.input_shape, meta.output_shape):
        if len(shape) > MAX_AXES or any(size > MAX_SIZE for size in shape):
            raise ValueError(f"{quoted(str(list(shape)))} is no shape of at most {MAX_AXES} axes below 2^31")
    return meta


def only_input(model: str, names: Sequence[object]) -> None:
    """Raise UserError where a model has several inputs: payloads hold one tensor."""
    if len(names) > 1:
        raise UserError(
            f"{model}: it takes {len(names)} inputs ({quoted(', '.join(map(str, names)))}), and payloads hold one; "
            "give whole request bodies in a .jsonl file, one JSON document a line",
            subject="model",
        )


def shapes_of(given: Iterable[int], output: Iterable[int]) -> dict[str, Any]:
    """`input_shape`, `output_shape` and `batched` of a BankMeta; sizes that the server leaves open are FREE.

    The first axis of an input is a batch axis where its size is open or 1. A model whose first axis has another size
    takes one item at a time, as it is: a Triton model with `max_batch_size` 0.
    """
    whole, result = (tuple(_size(size) for size in shape) for shape in (given, output))
    batched = not whole or whole[0] in (FREE, 1)
    return {
        "input_shape": whole[1:] if batched else whole,
        "output_shape": result[1:] if batched else result,
        "batched": batched,
    }


def _size(said: Any) -> int:
    """The size of an axis, which protobuf's JSON writes as a text. Raises TypeError, ValueError."""
    size = int(said)
    if isinstance(said, float) and said != size:
        raise ValueError(f"{said} is no size of an axis")
    return size if size > 0 else FREE


def _words(error: Exception) -> str:
    """Why metadata cannot be read, in words: only a ValueError has a sentence of its own."""
    if isinstance(error, ValueError):
        return quoted(str(error))
    if isinstance(error, KeyError):
        return f"it has no field {quoted(str(error.args[0]))}"
    return "it has another form than this protocol's"
