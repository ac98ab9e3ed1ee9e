"""The request classes of a load: those of its scenario, and those that users' own requests add by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from harness.measure.load.payloads.payload_sets import places_of
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.request_mix import ClassShare

MAX_CLASSES = 100
OTHER = "other"
POST = "POST"


class StatisticsKey(NamedTuple):
    """Under what Locust's statistics know a class."""

    name: str
    method: str


class RequestSet(Protocol):
    """What one request class sends, as far as its places are concerned."""

    @property
    def codec(self) -> Any:
        """How requests are written; it has at least a name."""

    @property
    def share(self) -> ClassShare:
        """The class, and how much of it there is."""

    def labels(self) -> list[int]:
        """Every payload's true class, or ABSENT."""


class ClassBook:
    """Names, limits and places of all classes, by number.

    `places` has for each payload of the load its class and its number within the class; a class that users' own
    requests add has one place, without a payload. `keys` is None where Locust's own clients feed the statistics.
    """

    def __init__(self, sets: Sequence[RequestSet], model: str) -> None:
        shares = [each.share for each in sets]
        self.names = [share.name for share in shares]
        self.slos = [share.request_class.slo for share in shares]
        self.keys: list[StatisticsKey | None] = [
            StatisticsKey(f"{share.name} {share.request_class.model or model}", POST) for share in shares
        ]
        self.places = places_of(sets)
        self._added: dict[tuple[str, str], int] = {}

    def place(self, name: str, method: str, *, fed: bool = True) -> int:
        """The place of requests called `name`. `fed`: Locust's statistics have them from us."""
        place = self._added.get((name, method))
        if place is None:
            if len(self.names) >= MAX_CLASSES and name != OTHER:
                return self.place(OTHER, method, fed=fed)
            place = self._added[name, method] = len(self.places)
            self.places.append((len(self.names), ABSENT, ABSENT))
            self.names.append(name)
            self.slos.append("")
            self.keys.append(StatisticsKey(name, method) if fed else None)
        return place
