"""Decodes requests of TensorFlow Serving's REST protocol: `instances` (row by row) or `inputs` (one tensor)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.inference import JSON_HEADERS, InferRequest
from targets.servers.protocols.open_inference import check_rows, parse_object
from targets.servers.protocols.wire_model import refuse_booleans

if TYPE_CHECKING:
    from targets.servers.protocols.inference import BatchOutputs
    from targets.servers.protocols.wire_model import WireModel

SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class TfsForm:
    """A response `{"predictions": ...}` (`explanations` for `:explain`) to instances, `{"outputs": ...}` to inputs."""

    key: bytes

    def write(self, outputs: BatchOutputs, start: int, stop: int) -> tuple[bytes, bytes]:
        """(header lines, body), nested by the output shape, the batch axis first."""
        return JSON_HEADERS, b'{"%s":%s}' % (self.key, outputs.nested_json(start, stop))


PREDICTIONS = TfsForm(b"predictions")
EXPLANATIONS = TfsForm(b"explanations")
OUTPUTS = TfsForm(b"outputs")


class TfsDecoder:
    """Decodes predict requests for one model."""

    def __init__(self, model: WireModel) -> None:
        self._model = model

    def decode(self, body: bytes, max_rows: int) -> InferRequest:
        """Decode the request in `body`. Raises ProtocolError."""
        document = parse_object(body)
        if document.get("signature_name", SIGNATURE) != SIGNATURE:
            raise ProtocolError(400, f"signature_name: the model's only signature is {SIGNATURE!r}")
        if ("instances" in document) == ("inputs" in document):
            raise ProtocolError(400, "the body needs either instances or inputs")
        form = PREDICTIONS if "instances" in document else OUTPUTS
        values = document.get("instances", document.get("inputs"))
        rows = self._rows(values, form)
        check_rows(len(rows), max_rows)
        refuse_booleans(body, rows)
        packed, shape = self._model.pack_rows(rows)
        return InferRequest(len(rows), packed, shape, form)

    def _rows(self, values: Any, form: TfsForm) -> list[Any]:
        name = self._model.meta.input_name
        if form is OUTPUTS and isinstance(values, dict):
            values = self._named(values)
        if not isinstance(values, list) or not values:
            raise ProtocolError(400, f"input {name!r}: needs a list of at least one row")
        if form is PREDICTIONS:
            return [self._named(row) if isinstance(row, dict) else row for row in values]
        return values

    def _named(self, tensors: dict[str, Any]) -> Any:
        name = self._model.meta.input_name
        if list(tensors) != [name]:
            raise ProtocolError(400, f"the model's only input is called {name!r}")
        return tensors[name]
