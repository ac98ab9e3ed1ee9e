"""Two servers that never were, by formula: spaces of settings with conflicts, failures and one true best setting.

Each has a closed loop of users. `rate_rps` and `p99_ms` are true values; `Replay` adds the noise of a trial.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from harness.plan.knobs import Apply, Knob, KnobSet
from harness.search.space import Space, make_space

LEVELS = (4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 180, 256)


def _knob(name, default, values, *, live=False, needs=()):
    choices = values if isinstance(values[0], str) else ()
    apply = Apply.LIVE if live else Apply.RESTART
    return Knob(name=name, doc=name, default=default, swept=values, choices=choices, apply=apply, needs=needs)


class Served:
    """A setting at a number of users: what each server defines. `limit_ms` is the limit of its p99.

    noise, tail_noise: deviations of the logs of rate and p99 from trial to trial.
    """

    knobs: KnobSet
    levels: tuple[int, ...] = LEVELS
    limit_ms: float
    trial_s: float
    restart_s: float
    noise: float = 0.04
    tail_noise: float = 0.1

    def fails(self, setting) -> bool:
        raise NotImplementedError

    def figures(self, setting, users) -> tuple[float, float]:
        """True (requests/s, p99 in ms)."""
        raise NotImplementedError

    def noises(self, rng) -> tuple[float, float]:
        """What one trial's logs of rate and p99 are off from the true ones."""
        return self.noise * rng.standard_normal(), self.tail_noise * rng.standard_normal()

    def space(self) -> Space:
        return make_space(self.knobs, {knob.name: knob.swept for knob in self.knobs}, {})


class CpuServer(Served):
    """A classifier on 4 cores: 5 engines, precision, batches, wait, replicas, threads."""

    knobs = KnobSet(
        "cpu",
        (
            _knob("engine", "keras", ("keras", "xla", "onnx", "lite", "vino")),
            _knob("precision", "float32", ("float32", "bfloat16", "int8")),
            _knob("batch_size", 32, (1, 2, 4, 8, 16, 32, 64, 128), live=True),
            _knob("batch_policy", "fixed", ("greedy", "fixed"), live=True),
            _knob("wait_ms", 0.0, (0.0, 1.0, 2.0, 5.0), live=True, needs=(("batch_policy", ("fixed",)),)),
            _knob("replicas", 1, (1, 2, 4)),
            _knob("threads", 0, (0, 1, 2, 4)),
        ),
        lambda setting: {
            ("keras", "int8"): "int8", ("keras", "bfloat16"): "bfloat16", ("xla", "int8"): "int8",
            ("lite", "bfloat16"): "bfloat16",
        }.get((setting["engine"], setting["precision"])),
    )  # fmt: skip
    limit_ms, trial_s, restart_s = 24.0, 4.0, 8.0
    call_ms: ClassVar = {"keras": 1.6, "xla": 0.9, "onnx": 0.35, "lite": 0.25, "vino": 0.5}
    row_ms: ClassVar = {"keras": 0.09, "xla": 0.06, "onnx": 0.055, "lite": 0.1, "vino": 0.04}
    faster: ClassVar = {"float32": 1.0, "bfloat16": 0.85, "int8": 0.6}

    def fails(self, setting):
        crowded = setting["engine"] == "vino" and setting["replicas"] == 4
        broken = setting["engine"] == "onnx" and setting["precision"] == "bfloat16" and setting["threads"] == 1
        return crowded or broken or (setting["replicas"] == 4 and setting["batch_size"] == 128)

    def figures(self, setting, users):
        replicas, threads = setting["replicas"], setting["threads"] or 4
        each = min(threads, 4 / replicas)
        speed = each**0.6 * (1.0 if threads * replicas <= 4 else (4 / (threads * replicas)) ** 0.25)
        speed /= self.faster[setting["precision"]]
        wait_ms = setting["wait_ms"] if setting["batch_policy"] == "fixed" else 0.0
        batch = min(setting["batch_size"], max(1.0, 0.6 * users / replicas * (1 + 0.05 * wait_ms)))
        waits = wait_ms if batch < setting["batch_size"] else 0.0
        engine = setting["engine"]
        cycle_ms = self.call_ms[engine] / each**0.2 + self.row_ms[engine] * batch / speed + waits
        front = 0.055 * (1 + 0.15 * (replicas - 1)) / min(replicas, 2)
        most = 1e3 / (cycle_ms / (replicas * batch) + front)
        alone_ms = 0.5 + cycle_ms * 1.2
        rate = 1.0 / ((1 / most) ** 4 + (alone_ms / 1e3 / users) ** 4) ** 0.25
        mean_ms = users / rate * 1e3
        return rate, mean_ms * (1.35 + 0.12 * replicas) + 1.5 * cycle_ms


class TokenServer(Served):
    """A language model: sequences, batch tokens, scheduling, cache format, speculation, parallel."""

    knobs = KnobSet(
        "tokens",
        (
            _knob("max_sequences", 16, (4, 8, 16, 32, 64, 128)),
            _knob("batch_tokens", 512, (128, 256, 512, 1024, 2048, 4096)),
            _knob("scheduling", "mixed", ("mixed", "prefill", "chunked")),
            _knob("cache", "fp16", ("fp16", "fp8")),
            _knob("speculate", 0, (0, 2, 4)),
            _knob("parallel", 1, (1, 2)),
            _knob("prefix", "on", ("on", "off")),
        ),
        lambda setting: "few" if setting["batch_tokens"] < 512 and setting["scheduling"] == "prefill" else None,
    )  # fmt: skip
    limit_ms, trial_s, restart_s = 2400.0, 12.0, 45.0

    def fails(self, setting):
        gib = setting["max_sequences"] * (0.25 if setting["cache"] == "fp16" else 0.13) + setting["batch_tokens"] / 1024
        return gib > 16 * setting["parallel"] or (setting["speculate"] == 4 and setting["cache"] == "fp8")

    def figures(self, setting, users):
        sequences = min(setting["max_sequences"], users)
        tokens = setting["batch_tokens"]
        speculate = 1 + {0: 0.0, 2: 0.55, 4: 0.7}[setting["speculate"]] / (1 + sequences / 24)
        step_ms = 9 / setting["parallel"] ** 0.7 + 0.11 * sequences * (1.25 if setting["cache"] == "fp16" else 1.0)
        step_ms *= 1 + 0.08 * setting["speculate"] * (sequences / 32)
        prefill_ms = 0.02 * tokens / setting["parallel"] ** 0.8
        blocking = {"mixed": 0.6, "prefill": 1.0, "chunked": 0.35}[setting["scheduling"]]
        chunks = max(1.0, 400 / tokens) * (1.15 if setting["scheduling"] == "chunked" else 1.0)
        new = 0.55 if setting["prefix"] == "on" else 1.0
        work_ms = 60 * step_ms / speculate / sequences + chunks * prefill_ms * 0.5 * new
        most = 1e3 / work_ms
        alone_ms = 60 * step_ms / speculate + 400 * 0.02 + blocking * prefill_ms * min(sequences, 8) * 0.5
        rate = 1.0 / ((1 / most) ** 6 + (alone_ms / 1e3 / users) ** 6) ** (1 / 6)
        mean_ms = users / rate * 1e3
        return rate, mean_ms * 1.25 + 6 * blocking * prefill_ms


@dataclass
class Replay:
    """Trials of a server of formulas or records, with their noise, and what they cost. `space`: of `served`."""

    served: Served
    space: Space
    seed: int
    seconds: float = 0.0
    running: int = -1
    tried: set[int] = field(default_factory=set)

    def __post_init__(self):
        self._rng = np.random.default_rng((self.seed, 77))

    def cost_s(self, number):
        restart = self.running < 0 or self.space.starts[number] != self.space.starts[self.running]
        return self.served.trial_s + (self.served.restart_s if restart else 0.0)

    def trial(self, number, level, times=1.0):
        """(log of the rate, log of p99 / limit); None where the setting fails. It takes `times` as long as usual."""
        self.seconds += self.cost_s(number) + (times - 1.0) * self.served.trial_s
        self.tried.add(number)
        setting = self.space.setting(number)
        if self.served.fails(setting):
            self.running = -1
            return None
        self.running = number
        rate, p99_ms = self.served.figures(setting, self.served.levels[level])
        off, tail_off = self.served.noises(self._rng)
        return math.log(rate) + off, math.log(p99_ms / self.served.limit_ms) + tail_off


def true_capacities(served, space, users=None):
    """The greatest rate that keeps the limit, of every setting; 0 where it fails or keeps it at no load.

    users: the loads that are looked at; the levels of the server where none are given.
    """
    found = np.zeros(len(space))
    for number in range(len(space)):
        setting = space.setting(number)
        if not served.fails(setting):
            figures = [served.figures(setting, each) for each in users or served.levels]
            found[number] = max((rate for rate, p99_ms in figures if p99_ms <= served.limit_ms), default=0.0)
    return found
