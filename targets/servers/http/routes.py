"""Maps paths to actions. A server has one model, so its paths are a table."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.wire_model import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


HEAD = "HEAD"  # as GET, but without the body of the response (RFC 9110, section 9.3.2)


class Action(Enum):
    """The meaning of a path."""

    SERVER = auto()
    LIVE = auto()
    READY = auto()
    MODEL = auto()
    MODEL_CONFIG = auto()
    MODEL_STATISTICS = auto()
    V2_INFER = auto()
    TFS_STATUS = auto()
    TFS_METADATA = auto()
    TFS_PREDICT = auto()
    V2_EXPLAIN = auto()
    TFS_EXPLAIN = auto()
    METRICS = auto()
    CHAT = auto()
    MODELS = auto()

    __hash__ = object.__hash__  # Enum's own hash is Python code, called for each look-up in a set

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods of the path."""
        return ("POST",) if self in INFERENCE else ("GET", HEAD)


EXPLANATION = frozenset({Action.V2_EXPLAIN, Action.TFS_EXPLAIN})
INFERENCE = frozenset({Action.V2_INFER, Action.TFS_PREDICT, Action.CHAT}) | EXPLANATION


class ModelRoutes:
    """The paths of one model, with and without a version."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._table = {
            "/v2": Action.SERVER,
            "/v2/health/live": Action.LIVE,
            "/v2/health/ready": Action.READY,
            "/v2/models/stats": Action.MODEL_STATISTICS,
            "/metrics": Action.METRICS,
        }
        for version in ("", f"/versions/{VERSION}"):
            v2, tfs = f"/v2/models/{self.model}{version}", f"/v1/models/{self.model}{version}"
            self._table |= {v2: Action.MODEL, f"{v2}/ready": Action.READY, f"{v2}/infer": Action.V2_INFER}
            self._table |= {f"{v2}/config": Action.MODEL_CONFIG, f"{v2}/stats": Action.MODEL_STATISTICS}
            self._table |= {tfs: Action.TFS_STATUS, f"{tfs}/metadata": Action.TFS_METADATA}
            self._table |= {f"{tfs}:predict": Action.TFS_PREDICT, f"{tfs}:explain": Action.TFS_EXPLAIN}
            self._table |= {f"{v2}/explain": Action.V2_EXPLAIN}

    def find(self, method: str, target: str) -> Action:
        """The action of a request line. Raises ProtocolError: 404, or 405 with the right methods."""
        return find_action(self._table, method, target, self._unknown)

    def _unknown(self, path: str) -> str:
        for start in ("/v2/models/", "/v1/models/"):
            if path.startswith(start):
                name, _, rest = path.removeprefix(start).partition("/")
                name = name.partition(":")[0]
                if name != self.model:
                    return f"unknown model {name!r}: this server has {self.model!r}"
                if rest.startswith("versions/"):
                    return f"model {name!r} has only version {VERSION}"
        return f"unknown path {path!r}"


def find_action(table: Mapping[str, Action], method: str, target: str, unknown: Callable[[str], str]) -> Action:
    """Look up a request line in `table`. Raises ProtocolError: 404 with the text of `unknown`, or 405."""
    path = target.partition("?")[0]
    action = table.get(path if path == "/" else path.rstrip("/"))
    if action is None:
        raise ProtocolError(404, unknown(path))
    if method not in action.methods:
        legal = ", ".join(action.methods)
        raise ProtocolError(405, f"{path} takes {legal}", f"allow: {legal}\r\n".encode())
    return action
