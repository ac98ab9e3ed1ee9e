"""A knob: one typed setting that can be tuned."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown_name
from harness.plan.option_text import split_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Value = int | float | str | bool
Setting = dict[str, Value]


class Owner(StrEnum):
    """The part of a run that a knob belongs to."""

    TARGET = "target"
    ENGINE = "engine"
    LOAD = "load"
    TRAINING = "training"
    PREPROCESSING = "preprocessing"


class Apply(StrEnum):
    """Whether a running target accepts a new value, or must be restarted for it."""

    LIVE = "live"
    RESTART = "restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One setting: what it is, which values are legal, and which a plain `sweep NAME` tries."""

    name: str
    doc: str
    default: Value
    swept: tuple[Value, ...]
    unit: str = ""
    minimum: float | None = None  # inclusive, for numbers
    maximum: float | None = None  # inclusive, for numbers
    choices: tuple[Value, ...] = ()  # where not empty, the only legal values
    unavailable: tuple[tuple[Value, str], ...] = ()  # choices that this machine lacks, each with the remedy
    owner: Owner = Owner.TARGET
    apply: Apply = Apply.RESTART
    tuned: tuple[Value, ...] = ()  # values that `tune` tries where no knob is named; empty: it leaves the knob alone
    needs: tuple[tuple[str, tuple[Value, ...]], ...] = ()  # other knobs and the values without which it has no effect

    @property
    def legal(self) -> str:
        """The legal values as text, for help and errors."""
        if self.choices:
            return ", ".join(format_value(choice) for choice in self.choices)
        kind = {bool: "on or off", int: "a whole number", float: "a number", str: "a text"}[type(self.default)]
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{kind}, {self.minimum:g} or more"
        return kind

    def parse(self, text: str) -> Value:
        """The value that `text` stands for. Raises UserError where it is not legal."""
        try:
            value = _PARSERS[type(self.default)](text.strip())
        except ValueError:
            raise self._illegal(text) from None
        return self.check(value)

    def check(self, value: Value) -> Value:
        """`value` itself. Raises UserError where it is not legal."""
        if self.choices and value not in self.choices:
            raise self._illegal(value)
        if value in (remedies := dict(self.unavailable)):
            raise UserError(f"{self.name}={value}: {remedies[value]}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            too_small = self.minimum is not None and not value >= self.minimum
            too_large = self.maximum is not None and not value <= self.maximum
            if too_small or too_large:
                raise self._illegal(value)
        return value

    def _illegal(self, value: object) -> UserError:
        unit = f" ({self.unit})" if self.unit else ""
        return UserError(f"{self.name}={value}: not legal; {self.name}{unit} takes {self.legal}")


def _parse_bool(text: str) -> bool:
    words = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


_PARSERS: dict[type, Callable[[str], Value]] = {bool: _parse_bool, int: int, float: float, str: str}


def format_value(value: Value) -> str:
    """The text that a user types for `value`."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def setting_text(setting: Mapping[str, Value]) -> str:
    """`batch_size=4, replicas=2`; empty where nothing is set."""
    return ", ".join(f"{name}={format_value(value)}" for name, value in setting.items())


def cross(values: Mapping[str, tuple[Value, ...]]) -> tuple[Setting, list[Setting]]:
    """The knobs that have one value, and every combination of the values of the others (their grid)."""
    fixed = {name: several[0] for name, several in values.items() if len(several) == 1}
    swept = {name: several for name, several in values.items() if len(several) > 1}
    return fixed, [dict(zip(swept, combination, strict=True)) for combination in itertools.product(*swept.values())]


@dataclass(frozen=True, slots=True)
class KnobSet:
    """The knobs of one owner, by name.

    `conflict` says why the values of a complete setting exclude each other; None where they do not.
    """

    owner_name: str
    knobs: tuple[Knob, ...]
    conflict: Callable[[Setting], str | None] = lambda _: None

    def __iter__(self) -> Iterator[Knob]:
        return iter(self.knobs)

    def __getitem__(self, name: str) -> Knob:
        for knob in self.knobs:
            if knob.name == name:
                return knob
        raise unknown_name(f"knob of {self.owner_name}", name, (knob.name for knob in self.knobs))

    def defaults(self) -> Setting:
        """Every knob at its default."""
        return {knob.name: knob.default for knob in self.knobs}

    def complete(self, setting: Mapping[str, Value]) -> Setting:
        """`setting`, checked, with the defaults for what it leaves out. Raises UserError."""
        checked = {name: self[name].check(value) for name, value in setting.items()}
        if conflict := self.conflict_in(checked):
            raise UserError(conflict)
        return {**self.defaults(), **checked}

    def conflict_in(self, setting: Mapping[str, Value]) -> str | None:
        """Why `setting`, with the defaults for what it leaves out, is impossible; None where it is possible."""
        return self.conflict({**self.defaults(), **setting})

    def has_effect(self, name: str, setting: Mapping[str, Value]) -> bool:
        """Whether knob `name` changes anything in `setting`, with the defaults for what that leaves out."""
        complete = {**self.defaults(), **setting}
        return all(complete[other] in values for other, values in self[name].needs)

    def known_words(self, words: Iterable[str]) -> list[str]:
        """Those of `words` (name=value) that name a knob of this set."""
        names = {knob.name for knob in self.knobs}
        return [word for word in words if split_word(word)[0] in names]

    def parse_setting(self, words: Iterable[str]) -> Setting:
        """`["batch_size=32", ...]` as a setting. Raises UserError for a word without `=` or an illegal value."""
        setting: Setting = {}
        for word in words:
            name, text = split_word(word)
            knob = self[name]
            if text is None:
                raise UserError(f"{name}: give it a value, for example {name}={format_value(knob.default)}")
            setting[name] = knob.parse(text)
        return setting

    def parse_sweep(self, words: Iterable[str]) -> dict[str, tuple[Value, ...]]:
        """`["batch_size", "replicas=1,2"]` as the values to sweep per knob, in the given order.

        A bare name means the knob's own `swept` values. Raises UserError.
        """
        swept: dict[str, tuple[Value, ...]] = {}
        for word in words:
            name, text = split_word(word)
            knob = self[name]
            if name in swept:
                raise UserError(f"{name}: given twice; give all of its values at once, {name}=A,B")
            values = knob.swept if text is None else tuple(knob.parse(part) for part in text.split(","))
            swept[name] = tuple(dict.fromkeys(values))
        return swept
