"""The paths of a chat server, and all responses other than completions."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from targets.servers.http.routes import Action, find_action
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.inference import JSON_HEADERS

if TYPE_CHECKING:
    from harness.record.model_card import ModelCard
    from targets.servers.chat.telemetry import ChatTelemetry

OWNER = "sweepspot"
_TYPES = {429: "rate_limit_error", 503: "server_error"}


class ChatRoutes:
    """The paths of one language model."""

    def __init__(self, model: str) -> None:
        self._table = {
            "/v1/chat/completions": Action.CHAT,
            "/v1/models": Action.MODELS,
            f"/v1/models/{model}": Action.MODEL,
            "/health": Action.READY,
            "/health/live": Action.LIVE,
            "/metrics": Action.METRICS,
        }

    def find(self, method: str, target: str) -> Action:
        """The action of a request line. Raises ProtocolError: 404, or 405 with the right methods."""
        return find_action(self._table, method, target, _unknown)


def _unknown(path: str) -> str:
    return f"unknown path {path!r}; completions are at /v1/chat/completions"


class ChatProtocol:
    """The `HttpProtocol` of a language model."""

    def __init__(self, card: ModelCard, created_s: int, telemetry: ChatTelemetry) -> None:
        self.card = card
        self.telemetry = telemetry
        self.routes = ChatRoutes(card.name)
        self._model = {"id": card.name, "object": "model", "created": created_s, "owned_by": OWNER}

    def document(self, action: Action, *, ready: bool) -> tuple[bytes, bytes]:
        """(content type, body) for a path that is not a completion. Raises ProtocolError where it is not ready."""
        if action is Action.METRICS:
            return self.telemetry.exposition()
        if action is Action.READY and not ready:
            raise ProtocolError(503, "the server is stopping")
        documents: dict[Action, dict[str, Any]] = {
            Action.LIVE: {"status": "ok"},
            Action.READY: {"status": "ok"},
            Action.MODEL: self._model,
            Action.MODELS: {"object": "list", "data": [self._model]},
        }
        return b"application/json", orjson.dumps(documents[action])

    def refusal(self, error: ProtocolError) -> tuple[bytes, bytes]:
        """(status line and headers, body) of an error response in OpenAI's form."""
        phrase = HTTPStatus(error.status).phrase.encode()
        head = b"HTTP/1.1 %d %s\r\n%s%s" % (error.status, phrase, JSON_HEADERS, error.headers)
        kind = _TYPES.get(error.status, "invalid_request_error")
        return head, orjson.dumps({"error": {"message": str(error), "type": kind, "param": None, "code": None}})
