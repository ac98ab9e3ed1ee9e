"""A finding is a typed doubt or insight with its data; a verdict is what the findings amount to."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec


class Verdict(StrEnum):
    """VALID: believe it. DEGRADED: true, but read the findings. INVALID: not a measurement of the target."""

    VALID = "VALID"
    DEGRADED = "DEGRADED"
    INVALID = "INVALID"


class FindingKind(StrEnum):
    """Every doubt the harness can have; its text and its remedy live in `harness/judge/checks/`."""

    CONSERVATION = "conservation"
    RECORDER = "recorder"
    LITTLES_LAW = "littles_law"
    LATENESS = "lateness"
    RATE = "rate"
    ARRIVAL_PROCESS = "arrival_process"
    NOT_SENT = "not_sent"
    GENERATOR_CPU = "generator_cpu"
    LOOP_LAG = "loop_lag"
    GC_PAUSE = "gc_pause"
    SAMPLER = "sampler"
    STEAL = "steal"
    NEIGHBOURS = "neighbours"
    HARMED = "harmed"
    LOST_WORKER = "lost_worker"
    CLOCK_STEP = "clock_step"
    CLOCK_OFFSET = "clock_offset"
    TOO_FEW_SAMPLES = "too_few_samples"
    UNSTEADY = "unsteady"
    ERRORS = "errors"
    WRONG_ANSWERS = "wrong_answers"
    REJECTIONS = "rejections"
    UNAVAILABLE = "unavailable"
    UNEQUAL_USERS = "unequal_users"
    CACHED = "cached"
    SLOW_FIRST = "slow_first"
    SLOWDOWN = "slowdown"
    UNCHECKED = "unchecked"
    TARGET_DIED = "target_died"
    LOAD_DIED = "load_died"
    SATURATED = "saturated"
    NOT_ISOLATED = "not_isolated"
    ENVELOPE = "envelope"
    LEFT_OUT = "left_out"
    REPEATS_DISAGREE = "repeats_disagree"
    IMPRECISE = "imprecise"
    DIVERGED = "diverged"
    TRAINER_DIED = "trainer_died"
    EPOCHS_MISSING = "epochs_missing"
    NOT_LEARNED = "not_learned"
    OVERFITTING = "overfitting"
    UNDERFITTING = "underfitting"
    UNCONVERGED = "unconverged"
    TOO_FEW_SEEDS = "too_few_seeds"
    UNEQUAL_SEEDS = "unequal_seeds"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One doubt: what was seen (`text`, one sentence with its figures) and what to change (`remedy`)."""

    kind: FindingKind
    verdict: Verdict  # the worst verdict this finding alone allows
    text: str
    remedy: str = ""
    data: dict[str, float] = {}


class JudgedPoint(Protocol):
    """What the points of every kind of run have: a number, a verdict, and the findings behind it."""

    @property
    def point(self) -> int: ...  # noqa: D102

    @property
    def verdict(self) -> Verdict: ...  # noqa: D102

    @property
    def findings(self) -> tuple[Finding, ...]: ...  # noqa: D102
