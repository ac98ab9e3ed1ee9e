"""Reads the energy counters of the CPU's packages (Intel's RAPL, which AMD's processors have too)."""

from __future__ import annotations

from pathlib import Path

from harness.measure.samplers.reading import Reading

POWERCAP = Path("/sys/class/powercap")
_PACKAGES = "intel-rapl:?"  # `intel-rapl:0:0` and the like are parts of a package
_MICROJOULES = 1e6


class EnergyAbsentError(Exception):
    """This machine has no such counter, or this user may not read it; the message says which."""


class PackageEnergy:
    """All packages of this machine, idle cores and other processes included. Raises EnergyAbsentError."""

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._packages = [(path / "energy_uj", _read(path / "max_energy_range_uj")) for path in folder.glob(_PACKAGES)]
        if not self._packages:
            raise EnergyAbsentError("this machine shows no energy of its CPU")
        self._last_uj = [_read(path) for path, _ in self._packages]
        self._wrapped_uj = 0

    def read(self, now_ns: int) -> list[Reading]:
        """`energy_j` since an arbitrary instant; a counter that starts again at 0 goes on here."""
        del now_ns
        try:
            now_uj = [_read(path) for path, _ in self._packages]
        except EnergyAbsentError as error:
            return [Reading("packages", "energy_j", None, str(error))]
        for (_, range_uj), last_uj, uj in zip(self._packages, self._last_uj, now_uj, strict=True):
            self._wrapped_uj += range_uj if uj < last_uj else 0
        self._last_uj = now_uj
        return [Reading("packages", "energy_j", (sum(now_uj) + self._wrapped_uj) / _MICROJOULES)]


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise EnergyAbsentError(f"{path.parent.name}: its energy cannot be read ({error})") from error
