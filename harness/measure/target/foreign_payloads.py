"""The bank files that a load against a server of others is given, tried once before they are used."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.measure.target.server_payloads import PayloadOrder, foreign_bank
from harness.wire.first_request import ask_once
from harness.wire.payload_bank import Bank
from harness.wire.protocols import OPENAI

if TYPE_CHECKING:
    from harness.plan.plan import Plan


class BankFile(NamedTuple):
    """A bank on disk, and whether it holds the right answers."""

    path: Path | None  # None: the load makes its own
    known: bool


class ForeignPayloads:
    """Makes a bank for each start of a server and each protocol; the files go when it is closed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = tempfile.TemporaryDirectory(prefix="sweepspot-payloads-")
        self._made: dict[tuple[str, str], BankFile] = {}

    def bank_for(self, url: str, protocol: str, given: Path | None = None) -> BankFile:
        """The file for `protocol`; `given` is what a recipe says of its server. Raises UserError.

        The first payload is sent, once per start and protocol: what a server says of itself need not be true.
        """
        if protocol == OPENAI:  # what is said in a conversation comes from elsewhere
            return BankFile(None, known=False)
        if (url, protocol) not in self._made:
            plan = self._plan
            named = plan.payloads or plan.reference
            bank = Bank.load(given) if given and not named else foreign_bank(self._order(url, protocol))
            ask_once(url, protocol, bank)
            path = Path(self._folder.name) / f"{len(self._made)}.npz"
            bank.save(path)
            self._made[url, protocol] = BankFile(path, known=bool(len(bank.expected)))
        return self._made[url, protocol]

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def _order(self, url: str, protocol: str) -> PayloadOrder:
        plan = self._plan
        return PayloadOrder(
            url=url,
            model=plan.model,
            protocol=protocol,
            file=plan.payloads,
            reference=plan.reference,
            shape=plan.item_shape,
            check=any(plan.check_at(point) != "off" for point in plan.points),
            seed=plan.seed,
        )
