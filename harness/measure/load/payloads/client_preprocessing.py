"""Client-side preprocessing of payloads. It runs for every request, inside the load process.

All users of a load process share one core for it, which separate client devices would not. Where that core is
saturated, the checks of the load generator report it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import monotonic_ns
from harness.errors import UserError
from harness.plan.target_spec import RecipeTarget, find_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.payloads.payload_sets import PayloadSet
    from harness.plan.target_spec import ClientSide
    from harness.wire.payload_bank import BankMeta


def client_side_of(meta: BankMeta) -> ClientSide | None:
    """The preprocessing that the bank asks of clients; None where items are sent unchanged. Raises UserError."""
    if meta.client is None:
        return None
    target = find_named(meta.client.target)
    if isinstance(target, RecipeTarget) or target.open_client is None:
        raise UserError(f"--bank: target {meta.client.target} cannot say how its clients prepare {meta.model}")
    return target.open_client(meta.model, meta.client.setting)


class ClientPreprocessor:
    """Makes the request of a payload again each time, and notes the duration on the connection."""

    def __init__(self, sets: Sequence[PayloadSet], places: Sequence[tuple[int, int, int]]) -> None:
        self._sets = sets
        self._places = places

    def __call__(self, payload: int, connection: Connection) -> bytes:
        """The request. Sets `connection.spent_ns`: ns by step, and `client` for the whole."""
        start_ns = monotonic_ns()
        number, within, _ = self._places[payload]
        request, spent_ns = self._sets[number].preprocessed(within)
        connection.spent_ns = {**spent_ns, "client": monotonic_ns() - start_ns}
        return request
