"""Settles which server the load is sent to: one that runs already, or a target that this process starts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from locust import FastHttpUser, HttpUser

from harness.errors import UserError
from harness.measure.load.locust.options import default_target, target_setting
from harness.measure.load.locust.users.scenario_user import ScenarioUser
from harness.measure.target.first_requests import first_requests
from harness.measure.target.prepared_model import prepare_bank
from harness.measure.target.session import server_of
from harness.plan.chat_shape import new_salt
from harness.plan.request_mix import CHAT
from harness.plan.scenario import DEFAULT_METHOD, EXPLAIN, EXPLAIN_METHOD
from harness.plan.target_spec import InProcessTarget, find_named
from harness.system.cpu_cores import pin, plan_isolation
from harness.system.named_secrets import with_named_secrets
from harness.wire.credentials import Access
from harness.wire.http.chat_completions import OPENAI
from harness.wire.protocol import AUTO
from harness.wire.protocols import chats
from harness.wire.server_probe import settle_protocol
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.target.embedded_server import EmbeddedServer
    from harness.measure.target.recipe_server import RecipeServer
    from harness.plan.knobs import Setting
    from harness.plan.load_settings import TrialLoad
    from harness.plan.target_spec import TargetSpec
    from harness.system.cpu_cores import Isolation

logger = logging.getLogger(__name__)


class ResolvedTarget(NamedTuple):
    """A target, and the settings of the load that follow from it."""

    process: EmbeddedServer | RecipeServer | None  # what this process started, and must stop
    settings: dict[str, Any]  # fields of TrialLoad
    isolation: Isolation | None = None  # of what this process started


def resolve_target(environment: Environment, load: TrialLoad) -> ResolvedTarget:
    """Settle the environment's host, and payloads and protocol of the load. Starts a target where there is no host.

    Called once per run, by the local process or the master; workers get the results from the master.
    Raises UserError, RunError.
    """
    options = environment.parsed_options
    environment.host = environment.host or next((each.host for each in environment.user_classes if each.host), None)
    if environment.host and options.target:
        raise UserError(f"--target {options.target} and --host {environment.host}: give one of them")
    if load.target is not None or (environment.host and not load.classes):
        environment.host = with_named_secrets(environment.host or "") or None  # Locust's own clients take it as it is
        return ResolvedTarget(None, {})
    if not environment.host:
        return ResolvedTarget(None, {}) if _has_no_target(environment) else _start(environment, load)
    if any(share.request_class.verb == CHAT for share in load.classes):
        if load.chat.salt:  # the harness has asked already, and has sent what the prompts of this salt have in common
            return ResolvedTarget(None, {})
        protocol = load.protocol if chats(load.protocol) else OPENAI.name
        url = parse_url(environment.host, Access.find(Path(load.tls_ca) if load.tls_ca else None))
        classes = {share.name: share.request_class for share in load.classes if share.request_class.verb == CHAT}
        accepted = first_requests(url, protocol, load.model, load.chat, classes)
        chat = msgspec.structs.replace(load.chat, **accepted._asdict(), salt=new_salt())
        return ResolvedTarget(None, {"protocol": protocol, "chat": chat})
    bank = load.bank
    if bank is None and load.check != "off":
        logger.info("Preparing the payloads of %s", load.model)
        bank = str(prepare_bank(load.model))
    access = Access.find(Path(load.tls_ca) if load.tls_ca else None)
    protocol = settle_protocol(load.protocol, environment.host, load.model, access)
    return ResolvedTarget(None, {"bank": bank, "protocol": protocol})


def _has_no_target(environment: Environment) -> bool:
    """Whether none of the users knows a target of ours, and the user of the command named none.

    Locust's page asks for the host then, and users with clients of their own may need none. Raises UserError where
    there is neither: Locust's clients would fail at every user.
    """
    options, users = environment.parsed_options, environment.user_classes
    if options.target or any(issubclass(each, ScenarioUser) for each in users):
        return False
    begins_alone = options.headless or options.autostart
    if begins_alone and any(issubclass(each, (HttpUser, FastHttpUser)) for each in users):
        raise UserError(f"--host: the users in {options.locustfile} make requests to a server of yours; give its URL, "
                        "such as --host http://127.0.0.1:8000")  # fmt: skip
    return True


def _start(environment: Environment, load: TrialLoad) -> ResolvedTarget:
    options = environment.parsed_options
    spec = find_named(default_target(options))
    if isinstance(spec, InProcessTarget):
        raise UserError(f"--target {spec.name}: it lives in the load process and cannot be started on its own")
    protocol = spec.protocol if load.protocol == AUTO else load.protocol
    given = _with_explanations(load, spec, target_setting(options, spec))
    setting = spec.knobs.complete({**spec.setting_for({protocol}), **given})
    isolation = plan_isolation(load_processes=options.processes or 1)
    target = server_of(spec, load.model, setting, cores=isolation.target_cores, progress=_Progress())
    logger.info("Starting the target %s with %s", spec.name, load.model)
    ready = target.start()
    pin(os.getpid(), isolation.load_cores)
    environment.host = ready.url_for(protocol)
    logger.info("%s is ready at %s. %s", spec.name, ready.url, isolation.text)
    settings = {
        "protocol": protocol,
        "bank": str(ready.bank) if ready.bank else None,
        "class_banks": {**{verb: str(path) for verb, path in ready.class_banks.items()}, **load.class_banks},
        "tls_ca": str(ready.tls_ca) if ready.tls_ca else load.tls_ca,
    }
    return ResolvedTarget(target, settings, isolation)


def _with_explanations(load: TrialLoad, spec: TargetSpec, setting: Setting) -> Setting:
    """`setting`, with a method of explanation where the load asks for explanations and the user chose no method."""
    asks = any(share.request_class.verb == EXPLAIN for share in load.classes)
    able = any(knob.name == EXPLAIN_METHOD for knob in spec.knobs)
    return {EXPLAIN_METHOD: DEFAULT_METHOD, **setting} if able and asks else setting


class _Progress:
    """Logs one line for each stage of the start."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        del done, total
        if stage != self._stage:
            self._stage = stage
            logger.info("Target: %s", stage)
