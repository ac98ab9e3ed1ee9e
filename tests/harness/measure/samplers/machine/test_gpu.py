# ruff: noqa: N802  (NVML's own names)
import subprocess
import sys
from types import SimpleNamespace

import pynvml
import pytest

from harness.measure.samplers.machine.gpu import GpuAbsentError, Gpus
from harness.measure.samplers.sampler import ReaderNote, make_readers
from harness.record.machine.environment import Gpu


class FakeNvml:
    """Two GPUs; the second does not tell its energy, as before Volta. Stands in for hardware that is not there."""

    NVMLError = pynvml.NVMLError
    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM
    count = 2

    def nvmlDeviceGetCount(self):
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=70 + handle, memory=5)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(total=80_000, used=30_000 + handle, free=49_000)

    def nvmlDeviceGetPowerUsage(self, handle):
        return 250_500

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if handle == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 1_234_500

    def nvmlDeviceGetClockInfo(self, handle, kind):
        assert kind == pynvml.NVML_CLOCK_SM
        return 1410

    def nvmlSystemGetDriverVersion(self):
        return "570.00"

    def nvmlDeviceGetName(self, handle):
        return f"GPU {handle}"


def test_every_metric_in_its_unit_and_a_failing_one_as_an_error():
    readings = Gpus(FakeNvml()).read(0)
    values = {(r.source, r.metric): r.value for r in readings}
    assert values == {
        ("gpu0", "utilization_percent"): 70,
        ("gpu0", "memory_bytes"): 30_000,
        ("gpu0", "power_w"): 250.5,
        ("gpu0", "energy_j"): 1234.5,
        ("gpu0", "clock_mhz"): 1410,
        ("gpu1", "utilization_percent"): 71,
        ("gpu1", "memory_bytes"): 30_001,
        ("gpu1", "power_w"): 250.5,
        ("gpu1", "energy_j"): None,
        ("gpu1", "clock_mhz"): 1410,
    }
    assert [r.error for r in readings if r.error] == ["NVML: Not Supported"]


def test_descriptions():
    assert Gpus(FakeNvml()).describe() == (
        Gpu(name="GPU 0", driver="570.00", memory_bytes=80_000),
        Gpu(name="GPU 1", driver="570.00", memory_bytes=80_000),
    )


def test_the_stand_in_has_only_functions_that_nvml_has():
    names = [name for name in vars(FakeNvml) if name.startswith("nvml")]
    assert [name for name in names if not hasattr(pynvml, name)] == []


def test_no_gpu_is_absent_not_zero():
    nvml = FakeNvml()
    nvml.count = 0
    with pytest.raises(GpuAbsentError, match="no GPU"):
        Gpus(nvml)


def test_absence_is_noted_once(monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: (_ for _ in ()).throw(pynvml.NVMLError_LibraryNotFound()))
    notes = [reader for reader in make_readers(None, None) if isinstance(reader, ReaderNote)]
    readings = [reading for note in notes for reading in note.read(0)]
    assert {(reading.source, reading.metric, reading.value) for reading in readings} == {("sampler", "note", None)}
    assert len([r for r in readings if r.error.startswith("no GPU samples: NVML: ")]) == 1
    assert [reading for note in notes for reading in note.read(1)] == []


@pytest.mark.process
def test_nvml_is_imported_only_when_asked():
    modules = "harness.measure.samplers.machine.gpu, harness.measure.samplers.sampler_process"
    code = f"import sys, {modules}; sys.exit('pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
