"""`null`: the front end of `batched` with nothing behind it. What it can't do, no server here can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.servers.backend import Backend
from targets.servers.http.responses import OK
from targets.servers.http.routes import Action
from targets.servers.protocols.inference import BatchAnswers
from targets.servers.protocols.open_inference import V2Codec
from targets.servers.protocols.tf_serving import PREDICTIONS

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    from numpy.typing import NDArray

    from targets.servers.http.exchange import Exchange
    from targets.servers.protocols.protocol import ProtocolLayer


class CannedReplies:
    """One answer row in each form a client may want, written beforehand: (headers, body)."""

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32]) -> None:
        answers = BatchAnswers(row[None])
        codec = V2Codec(protocol.model)
        self._json = codec.form({}).write(answers, 0, 1)
        self._binary = codec.form({"parameters": {"binary_data_output": True}}).write(answers, 0, 1)
        self._tfs = PREDICTIONS.write(answers, 0, 1)

    def reply(self, exchange: Exchange) -> tuple[bytes, bytes]:
        """The one that fits the request's path and headers; its body is not looked at."""
        if exchange.head.action is Action.TFS_PREDICT:
            return self._tfs
        return self._json if exchange.head.json_length is None else self._binary


class NullBackend(Backend):
    """Answers at once, whatever was asked."""

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32]) -> None:
        self._requests = protocol.telemetry.requests
        self._canned = CannedReplies(protocol, row)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing to warm."""

    def stop(self) -> None:
        """Nothing to give back."""

    def has_room(self) -> bool:
        """Always: nothing waits."""
        return True

    def infer(self, exchange: Exchange, body: bytes) -> bool:
        """The canned answer."""
        del body
        self._requests["ok"] += 1
        headers, canned = self._canned.reply(exchange)
        exchange.respond(OK + headers, canned)
        return True
