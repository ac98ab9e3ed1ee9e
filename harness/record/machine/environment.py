"""The environment: what a run ran on, captured once, and the fingerprint that two comparable runs share.

No host name, user name, path or secret is in it: it is printed in reports that are handed on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.record.machine.host import CgroupLimits, Cpu, System, read_cpu, read_limits, read_system

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).parents[3]
PACKAGES = (
    *("tensorflow", "keras", "torch", "jax", "onnxruntime", "openvino", "ai-edge-litert", "numpy", "scipy"),
    *("scikit-learn", "pyarrow", "locust", "gevent", "uvloop", "httptools", "orjson", "msgspec", "psutil"),
    "nvidia-ml-py",
)
THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_WAIT_POLICY", "KMP_AFFINITY", "KMP_BLOCKTIME"),
    *("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "MALLOC_ARENA_MAX"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS"),
    *("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "PYTHONHASHSEED", "PYTHONOPTIMIZE"),
)


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU."""

    name: str
    driver: str
    memory_bytes: int | None


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """The revision of this project; None where it does not run from a git checkout."""

    revision: str | None
    dirty: bool | None


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """All that was captured. `checkout` and `load_average` may differ between runs that are compared."""

    cpu: Cpu
    system: System
    limits: CgroupLimits
    gpus: tuple[Gpu, ...]
    python: str
    packages: dict[str, str]  # version by distribution, of those installed
    threads: dict[str, str]  # variables that are set, of those that steer thread pools and engines
    checkout: Checkout
    load_average: tuple[float, float, float]  # running or waiting processes over 1, 5 and 15 minutes, at the start

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over everything that must be equal for two runs to be compared."""
        return hashlib.sha256(msgspec.json.encode(self._comparable(), order="deterministic")).hexdigest()[:16]

    def differences(self, other: Environment) -> list[str]:
        """What keeps two runs from being compared, one line per item: `CPU, Model: this | that`."""
        here, there = (_flat(environment._comparable()) for environment in (self, other))  # noqa: SLF001  (same class)
        return [
            f"{name}: {here.get(name, 'absent')} | {there.get(name, 'absent')}"
            for name in dict.fromkeys([*here, *there])
            if here.get(name) != there.get(name)
        ]

    def sections(self) -> dict[str, dict[str, str]]:
        """For a report: the value by name, by section. What is unknown is left out."""
        checkout = {"Revision": self.checkout.revision, "Uncommitted changes": self.checkout.dirty}
        load = " ".join(f"{load:.2f}" for load in self.load_average)
        run = {**checkout, "Load average at the start": load, "Fingerprint": self.fingerprint}
        return {**self._comparable(), "Run": _words(run)}

    def _comparable(self) -> dict[str, dict[str, str]]:
        sections = {
            "CPU": _words(msgspec.structs.asdict(self.cpu)),
            "System": _words(msgspec.structs.asdict(self.system)),
            "Limits": _words(msgspec.structs.asdict(self.limits)),
            "Software": {"Python": self.python, **_of_note(self.packages)},
            "Threads": dict(self.threads),
        }
        for number, gpu in enumerate(self.gpus):
            sections[f"GPU {number}"] = _words(msgspec.structs.asdict(gpu))
        return {name: section for name, section in sections.items() if section}


def _of_note(packages: Mapping[str, str]) -> dict[str, str]:
    """Those that a measurement depends on; an old run may have recorded others."""
    return {name: number for name, number in packages.items() if name in PACKAGES}


def capture(gpus: tuple[Gpu, ...] = ()) -> Environment:
    """Describe this machine, with `gpus` as found by the caller. Takes a few hundredths of a second."""
    return Environment(
        cpu=read_cpu(),
        system=read_system(),
        limits=read_limits(),
        gpus=gpus,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=dict(_installed()),
        threads={name: _harmless(os.environ[name]) for name in THREAD_VARIABLES if name in os.environ},
        checkout=read_checkout(),
        load_average=os.getloadavg(),
    )


def _installed() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def read_checkout(folder: Path = CHECKOUT) -> Checkout:
    """The revision of `folder` and whether tracked files were changed since."""
    # One call for both: with no tag to be found, `describe` gives the whole hash and the mark.
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    absent = Checkout(revision=None, dirty=None)
    if not (folder / ".git").exists():
        return absent  # installed elsewhere, perhaps inside another project's checkout
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return absent
    revision, _, dirty = found.partition("-")
    return Checkout(revision=revision, dirty=bool(dirty))


def _harmless(value: str) -> str:
    """A path may name a user."""
    return "(set; holds a path)" if "/" in value or "\\" in value else value


def _flat(sections: dict[str, dict[str, str]]) -> dict[str, str]:
    return {f"{title}, {name}": value for title, section in sections.items() for name, value in section.items()}


def _words(values: Mapping[str, object]) -> dict[str, str]:
    """Names and values for people; what is None is left out."""
    return {_name(name): _text(name, value) for name, value in values.items() if value not in (None, ())}


def _name(name: str) -> str:
    words = name.removesuffix("_bytes").replace("_ns", " (ns)").replace("_", " ")
    return "SMT" if words == "smt" else words[:1].upper() + words[1:]


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_bytes"):
        return f"{value / 2**30:.1f} GiB"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
