"""The energy of CPU packages, from the kernel's files."""

import pytest

from harness.measure.samplers.machine.energy import EnergyAbsentError, PackageEnergy


@pytest.fixture
def powercap(tmp_path):
    def write(first_uj, second_uj):
        for number, uj in enumerate((first_uj, second_uj)):
            folder = tmp_path / f"intel-rapl:{number}"
            folder.mkdir(exist_ok=True)
            (folder / "energy_uj").write_text(f"{uj}\n")
            (folder / "max_energy_range_uj").write_text("10000000\n")
        part = tmp_path / "intel-rapl:0:0"  # of the first package: it must not count twice
        part.mkdir(exist_ok=True)
        (part / "energy_uj").write_text("999\n")
        return tmp_path

    return write


def test_packages_are_added_and_a_counter_may_start_again(powercap):
    energy = PackageEnergy(powercap(9_000_000, 1_000_000))
    first = energy.read(0)[0].value
    powercap(500_000, 1_500_000)  # 1.5 J after 9 J of at most 10, and 0.5 J
    assert energy.read(1)[0].value - first == pytest.approx(2.0)


def test_a_machine_without_counters_says_so(tmp_path):
    with pytest.raises(EnergyAbsentError, match="no energy"):
        PackageEnergy(tmp_path)


def test_a_counter_that_may_not_be_read_any_more_is_a_failed_reading(powercap):
    folder = powercap(1, 1)
    energy = PackageEnergy(folder)
    (folder / "intel-rapl:1" / "energy_uj").unlink()
    (reading,) = energy.read(0)
    assert reading.value is None
    assert "intel-rapl:1" in reading.error
