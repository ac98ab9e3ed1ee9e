"""What a plain `locust -f scenarios/...` is aimed at: a server that runs, or an embedded target that it starts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cpu_cores import pin, plan_isolation
from harness.errors import UserError
from harness.measure.load.locust.mixed_classes import classes_of
from harness.measure.load.locust.options import load_options, scenario_target, target_setting
from harness.measure.target.prepared_model import prepare_bank
from harness.measure.target.session import server_of
from harness.plan.mixing import DEFAULT_METHOD, EXPLAIN_METHOD
from harness.plan.request_mix import CHAT
from harness.plan.target_spec import InProcessTarget, find_named
from harness.wire.credentials import Access
from harness.wire.protocols import AUTO, OPENAI, protocol_named
from harness.wire.server_probe import settle_protocol

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.target.embedded_server import EmbeddedServer
    from harness.measure.target.recipe_server import RecipeServer
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import TargetSpec

logger = logging.getLogger(__name__)


def aim(environment: Environment) -> EmbeddedServer | RecipeServer | None:
    """Settle host, bank and protocol in the environment and its options. Returns the target that was started, if any.

    Called once per run, by the local process or the master: workers get all three from the master.
    Raises UserError, RunError.
    """
    options = environment.parsed_options
    environment.host = environment.host or next((each.host for each in environment.user_classes if each.host), None)
    if environment.host and options.target:
        raise UserError(f"--target {options.target} and --host {environment.host}: give one of them")
    if options.target and isinstance(find_named(options.target), InProcessTarget):
        return None
    if environment.host and not classes_of(environment):
        return None
    if environment.host and _chats(environment):
        options.protocol = OPENAI
        return None
    if environment.host:
        if not options.bank and options.check != "off":
            logger.info("Preparing the payloads of %s", options.model)
            options.bank = str(prepare_bank(options.model))
        parsed = load_options(options, Path())
        access = Access.find(parsed.tls_ca, parsed.token_file)
        options.protocol = settle_protocol(options.protocol, environment.host, options.model, access)
        return None
    return _start(environment)


def _chats(environment: Environment) -> bool:
    return any(share.request_class.verb == CHAT for share in classes_of(environment))


def _start(environment: Environment) -> EmbeddedServer | RecipeServer:
    options = environment.parsed_options
    spec = find_named(options.target or scenario_target["name"])
    if isinstance(spec, InProcessTarget):
        raise UserError(f"--target {spec.name}: it lives in the load process and cannot be started on its own")
    protocol = spec.protocol if options.protocol == AUTO else protocol_named(options.protocol)
    given = _with_explanations(environment, spec, target_setting(options, spec))
    setting = spec.knobs.complete({**spec.setting_for({protocol}), **given})
    isolation = plan_isolation(load_processes=options.processes or 1)
    target = server_of(spec, options.model, setting, cores=isolation.target_cores, progress=_Progress())
    logger.info("Starting the target %s with %s", spec.name, options.model)
    ready = target.start()
    pin(os.getpid(), isolation.load_cores)
    environment.host = ready.url_for(protocol)
    options.tls_ca = str(ready.tls_ca) if ready.tls_ca else options.tls_ca
    options.bank = str(ready.bank) if ready.bank else None
    options.class_bank += [f"{verb}={path}" for verb, path in ready.class_banks.items()]
    options.protocol = protocol
    logger.info("%s is ready at %s. %s", spec.name, ready.url, isolation.text)
    return target


def _with_explanations(environment: Environment, spec: TargetSpec, setting: Setting) -> Setting:
    """A target that can explain is told to, where the load asks for it and the user has not said how."""
    verbs = {share.request_class.verb for share in classes_of(environment)}
    able = any(knob.name == EXPLAIN_METHOD for knob in spec.knobs)
    return {EXPLAIN_METHOD: DEFAULT_METHOD, **setting} if able and "explain" in verbs else setting


class _Progress:
    """A log line per stage."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        del done, total
        if stage != self._stage:
            self._stage = stage
            logger.info("Target: %s", stage)
