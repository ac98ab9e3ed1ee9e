"""The request classes of a load: those of its scenario, and those that users' own requests add by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.request_mix import ClassShare

MAX_CLASSES = 100
OTHER = "other"
POST = "POST"


class StatisticsKey(NamedTuple):
    """The key of a class in Locust's statistics."""

    name: str
    method: str


class RequestSet(Protocol):
    """The payloads of one request class."""

    @property
    def codec(self) -> Any:
        """The codec of the requests; it has a `name`."""

    @property
    def share(self) -> ClassShare:
        """The class with its weight."""

    def labels(self) -> list[int]:
        """The true label of every payload, or ABSENT."""


def places_of(sets: Sequence[RequestSet]) -> list[tuple[int, int, int]]:
    """For each payload of the load: its request class, its number within the class's bank, its label."""
    return [(number, *numbered) for number, each in enumerate(sets) for numbered in enumerate(each.labels())]


class RequestClassTable:
    """Names, limits and statistics keys of all classes, by number.

    `places` has, for each payload of the load, its class, its number within the class and its label. A class that
    users' own requests add has one place, without a payload. A key is None where another client feeds the statistics.
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
        """The place of requests called `name`; `fed`: whether our rows feed Locust's statistics."""
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
