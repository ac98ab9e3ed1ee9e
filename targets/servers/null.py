"""`null`: the front end of `batched` without a model, an upper bound on the throughput of every embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.servers.backend import Backend
from targets.servers.http.responses import OK
from targets.servers.http.routes import Action
from targets.servers.protocols.inference import BatchOutputs
from targets.servers.protocols.open_inference import V2Decoder
from targets.servers.protocols.tf_serving import PREDICTIONS

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    from numpy.typing import NDArray

    from targets.servers.http.exchange import HttpExchange
    from targets.servers.protocols.protocol import ProtocolLayer


class CannedResponses:
    """Responses with one output row, serialised in advance in each response form: (headers, body)."""

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32]) -> None:
        outputs = BatchOutputs(row[None])
        codec = V2Decoder(protocol.model)
        self._json = codec.form({}).write(outputs, 0, 1)
        self._binary = codec.form({"parameters": {"binary_data_output": True}}).write(outputs, 0, 1)
        self._tfs = PREDICTIONS.write(outputs, 0, 1)

    def response_to(self, exchange: HttpExchange) -> tuple[bytes, bytes]:
        """The response in the form of the request's path and headers; the request body is ignored."""
        if exchange.head.action is Action.TFS_PREDICT:
            return self._tfs
        return self._json if exchange.head.json_length is None else self._binary


class NullBackend(Backend):
    """Responds at once to every request."""

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32]) -> None:
        self._requests = protocol.telemetry.requests
        self._canned = CannedResponses(protocol, row)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do nothing: there is no model to warm up."""

    def stop(self) -> None:
        """Do nothing: there is nothing to release."""

    def has_room(self) -> bool:
        """Always true: no request waits."""
        return True

    def infer(self, exchange: HttpExchange, body: bytes) -> bool:
        """Send the canned response."""
        del body
        self._requests["ok"] += 1
        headers, canned = self._canned.response_to(exchange)
        exchange.respond(OK + headers, canned)
        return True
