"""What a client does to its payload before it sends it: really done, for each request, in the load process.

All users of a load process share its core for it, as many devices would not: where the generator's core is full, its
checks say so.
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
    """What the bank says that clients do; None where items are sent as they are. Raises UserError."""
    if meta.client is None:
        return None
    target = find_named(meta.client.target)
    if isinstance(target, RecipeTarget) or target.open_client is None:
        raise UserError(f"--bank: target {meta.client.target} cannot say how its clients prepare {meta.model}")
    return target.open_client(meta.model, meta.client.setting)


class Preparer:
    """Makes the request of a payload anew, and tells the connection what that took."""

    def __init__(self, sets: Sequence[PayloadSet], places: Sequence[tuple[int, int, int]]) -> None:
        self._sets = sets
        self._places = places

    def __call__(self, payload: int, connection: Connection) -> bytes:
        """The request. Sets `connection.spent_ns`: ns by step, `client` for the whole."""
        start_ns = monotonic_ns()
        number, within, _ = self._places[payload]
        request, spent_ns = self._sets[number].prepared(within)
        connection.spent_ns = {**spent_ns, "client": monotonic_ns() - start_ns}
        return request
