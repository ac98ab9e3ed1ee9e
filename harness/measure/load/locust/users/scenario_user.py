"""What a user class of a scenario declares: request classes with their weights, and defaults of the load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from locust import User

from harness.plan.request_mix import ClassShare, RequestClass, parse_mix
from harness.plan.scenario import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.env import Environment

PREDICT = {"predict": RequestClass()}
_declared: list[type[ScenarioUser]] = []  # in the order in which Locust has imported them


class ScenarioUser(User):
    """The base of all our user classes; the command line overrides what a subclass declares."""

    abstract = True
    request_classes: ClassVar[Mapping[str, RequestClass]] = {}  # by name; empty: its users make their own requests
    default_model: ClassVar[str] = DEFAULT_MODEL
    default_knobs: ClassVar[tuple[str, ...]] = ()  # name=value, for targets that have the knob
    default_options: ClassVar[Mapping[str, str]] = {}  # text by name of an option
    mix: ClassVar[str] = ""  # weights of the classes; empty: all the same

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if not cls.abstract:
            _declared.append(cls)


def declared() -> type[ScenarioUser]:
    """The user class that was declared last: the scenario's, since Locust imports it before it asks for options."""
    return _declared[-1] if _declared else ScenarioUser


def classes_of(environment: Environment, mix: str | None) -> tuple[ClassShare, ...]:
    """The request classes of the test's users, weighted by `mix`, or else by the scenario itself. Raises UserError.

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
