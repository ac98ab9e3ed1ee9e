"""Users as the load shape of a locustfile says (`LoadTestShape`)."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Shape(msgspec.Struct, frozen=True, kw_only=True, tag="shape"):
    """Users come and go as the locustfile's own load shape says."""

    steady: ClassVar[bool] = False
    shape_s: float | None = None  # how long the shape lasts; None: it does not say

    @property
    def length_s(self) -> float | None:
        """How long the shape lasts."""
        return self.shape_s
