"""The request classes of the scenario that Locust has imported, with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.plan.request_mix import ClassShare, RequestClass, parse_mix

if TYPE_CHECKING:
    from locust.env import Environment

PREDICT = {"predict": RequestClass()}


def classes_of(environment: Environment, mix: str | None) -> tuple[ClassShare, ...]:
    """The classes of the scenario's users, weighted by `mix`, or else by the scenario itself. Raises UserError.

    Empty where all users make their requests themselves.
    """
    user: Any = next((each for each in environment.user_classes if getattr(each, "request_classes", None)), None)
    known: dict[str, RequestClass] = getattr(user, "request_classes", {})
    if not known:
        return ()
    text: str = mix or getattr(user, "mix", "") or "+".join(known)
    return tuple(
        ClassShare(name=name, weight=weight, request_class=known[name])
        for name, weight in parse_mix(text, known).items()
    )
