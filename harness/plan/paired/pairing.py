"""What a paired plan compares: two variants of a target, and by how much the second may be worse."""

from __future__ import annotations

import msgspec

from harness.plan.knobs import Setting, setting_text

VARIANT = "variant"  # the name under which the setting of a point holds that of its variant


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two things that are compared: a target, the model that it serves, and its knobs."""

    name: str
    target: str  # the name of an embedded target, a recipe, or a URL
    model: str = ""
    setting: Setting = {}  # every knob that the user set for it


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """How two variants are compared: in blocks with one trial of each variant at every load level.

    The points 2 n and 2 n + 1 of the plan are the first and the second variant at the n-th load level.
    """

    variants: tuple[Variant, Variant]
    margin: float  # the change, as a share, that is to be found or excluded
    budget_s: float  # for everything
    fresh: bool = False  # the target is started anew for every trial, since the variants need it

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of the variants, each once."""
        return tuple(dict.fromkeys(variant.target for variant in self.variants))

    @property
    def differing(self) -> tuple[str, ...]:
        """Names of the knobs that the variants do not share."""
        first, second = (variant.setting for variant in self.variants)
        return tuple(name for name in {**first, **second} if first.get(name) != second.get(name))

    def variant(self, name: str) -> Variant:
        """The variant with that name."""
        return next(each for each in self.variants if each.name == name)

    def texts(self) -> tuple[str, str]:
        """`A (batch_size=4)` and `B (batch_size=16)`: each variant with what it does not share with the other."""
        first, second = self.variants
        return _text(first, second), _text(second, first)


def _text(variant: Variant, other: Variant) -> str:
    own = {name: value for name, value in variant.setting.items() if other.setting.get(name) != value}
    words = [
        variant.target if variant.target != other.target else "",
        f"model={variant.model}" if variant.model != other.model else "",
        setting_text(own),
    ]
    what = ", ".join(filter(None, words))
    return f"{variant.name} ({what})" if what else variant.name
