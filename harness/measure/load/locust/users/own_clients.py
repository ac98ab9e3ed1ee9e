"""Makes Locust's own HTTP clients part of a load: the run's headers and time-out, and which responses tasks check."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from locust import FastHttpUser, HttpUser, User
from locust.clients import ResponseContextManager
from locust.contrib.fasthttp import FastRequest
from locust.contrib.fasthttp import ResponseContextManager as FastResponseContextManager
from locust.exception import InterruptTaskSet, RescheduleTask, ResponseError, StopUser

from harness.measure.load.locust.current_run import run_of
from harness.measure.load.locust.users.other_clients import CAUGHT
from harness.wire.credentials import is_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.load.locust.load_run import LoadRun

_CONTROL = (InterruptTaskSet, RescheduleTask, StopUser)  # raised to go elsewhere, not because something failed


def join_clients() -> None:
    """Change the classes of Locust's clients, once for this process."""
    for manager in (ResponseContextManager, FastResponseContextManager):
        manager.__enter__ = _noting(manager.__enter__)
        manager.__exit__ = _reporting(manager.__exit__)
    for user in (HttpUser, FastHttpUser):
        user.__init__ = _joining(user.__init__)
    User.__init__ = _counting_starts(User.__init__)


def _counting_starts(make: Callable[..., None]) -> Callable[..., None]:
    """Count the users who are in `on_start`, as in a slow login: Locust counts them as running."""

    @wraps(make)
    def made(user: Any, environment: Any, *more: Any, **named: Any) -> None:
        def on_start() -> None:
            run = run_of(environment)
            if run is None:
                start()
                return
            run.load.users.starting += 1
            try:
                start()
            finally:
                run.load.users.starting -= 1

        make(user, environment, *more, **named)
        start, user.on_start = user.on_start, on_start

    return made


def _noting(enter: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(enter)
    def entered(manager: Any) -> Any:
        result = enter(manager)
        setattr(manager.request_meta["response"], CAUGHT, True)  # what `events.request` reports
        return result

    return entered


def _reporting(leave: Callable[..., Any]) -> Callable[..., Any]:
    """Of a block that an exception ends, Locust reports no request; here it counts, and the exception goes on."""

    @wraps(leave)
    def left(manager: Any, kind: type[BaseException] | None, error: BaseException | None, *more: Any) -> Any:
        if kind is None or manager._manual_result is not None or issubclass(kind, ResponseError):  # noqa: SLF001
            return leave(manager, kind, error, *more)
        if issubclass(kind, Exception) and not issubclass(kind, _CONTROL):
            manager.failure(f"the task raised {kind.__name__}")
        leave(manager, None, None, None)  # by the status, where the task has only gone elsewhere
        return False

    return left


def _joining(make: Callable[..., None]) -> Callable[..., None]:
    @wraps(make)
    def made(user: Any, environment: Any, *more: Any, **named: Any) -> None:
        run = run_of(environment)
        if run is not None and isinstance(user, FastHttpUser) and "network_timeout" not in _own_names(user):
            user.network_timeout = run.load.settings.timeout_s
        make(user, environment, *more, **named)
        if run is not None:
            _equip(user, run)

    return made


def _equip(user: Any, run: LoadRun) -> None:
    """Add the run's headers to each request to its host, and its time-out where the task gives none."""
    client, load = user.client, run.load
    access = load.access
    parts = urlsplit(run.host or user.host)
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    given = [*access.headers, *([("Authorization", access.authorization)] if access.token else [])]
    is_fast = isinstance(user, FastHttpUser)
    if access.ca is not None and not is_fast:
        client.verify = str(access.ca)
    _withdraw_elsewhere(client, [name for name, _ in given], origin)
    send = client._send_request_safe_mode  # noqa: SLF001  (the one place that both clients send from)

    def with_headers(method: Any, url: Any, **more: Any) -> Any:
        if given and f"{url}/".lower().startswith((f"{origin}/", f"{origin}?")):
            own = more.get("headers") or {}
            named = {name.lower() for name in (*own, *(() if is_fast else client.headers))}
            more["headers"] = {**{name: value for name, value in given if name.lower() not in named}, **own}
        if not is_fast and more.get("timeout") is None:
            more["timeout"] = load.settings.timeout_s
        run.hold(leaving=leaving[0])
        number = run.elsewhere.begin(str(method), names[0] or urlsplit(str(url)).path)
        try:
            return send(method, url, **more)
        except BaseException as error:
            if not isinstance(error, Exception):  # a gevent.Timeout of the task, or the end of its user: no event
                run.cut_off(number, error)
            raise
        finally:
            run.elsewhere.end(number)

    def named(method: Any, url: Any, name: Any = None, *more: Any, **others: Any) -> Any:
        names[0] = str(name or getattr(client, "request_name", None) or "")
        return ask(method, url, name, *more, **others)

    def on_stop(*more: Any) -> Any:
        leaving[0] = True
        return stop(*more)

    names, ask, leaving, stop = [""], client.request, [False], user.on_stop
    user.on_stop = on_stop
    client._send_request_safe_mode = with_headers  # noqa: SLF001
    client.request = named


def _withdraw_elsewhere(client: Any, names: list[str], origin: str) -> None:
    """Take these headers out of a request that the server redirects to another one: such libraries take them along."""

    def withdraw(request: Any) -> None:
        for name in () if is_of(str(request.url), [origin]) else names:
            request.headers.pop(name, None)

    def redirect(request: Any, code: int, location: str) -> None:
        FastRequest.redirect(request, code, location)
        withdraw(request)

    def rebuild_auth(request: Any, response: Any) -> None:
        rebuild(request, response)
        withdraw(request)

    if hasattr(client, "rebuild_auth"):  # of HttpUser, which calls it for each redirection
        rebuild, client.rebuild_auth = client.rebuild_auth, rebuild_auth
    else:
        client.client.request_type = type("Request", (FastRequest,), {"redirect": redirect})


def _own_names(user: Any) -> set[str]:
    """The names that the classes of the user below Locust's own define."""
    return {name for each in type(user).__mro__ if not each.__module__.startswith("locust.") for name in vars(each)}
