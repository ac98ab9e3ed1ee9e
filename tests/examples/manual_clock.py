"""A clock that moves only when it is set or slept on."""


class ManualClock:
    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """The instant last set."""
        return self._now_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Jump to `deadline_ns`; never backwards."""
        self._now_ns = max(self._now_ns, deadline_ns)

    def advance_ns(self, delta_ns: int) -> None:
        """Move forward by `delta_ns`."""
        self._now_ns += delta_ns
