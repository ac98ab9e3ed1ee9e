"""Builds the server of a prepared language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import wall_time
from targets.generation.language_model import load_language_model
from targets.generation.recipe import RECIPES
from targets.generation.scheduler import Scheduler
from targets.servers.chat.backend import SLOTS, ChatBackend, limits_of
from targets.servers.chat.protocol import ChatProtocol
from targets.servers.chat.telemetry import ChatTelemetry
from targets.servers.http.event_server import EventServer
from targets.servers.http.guard import Guard
from targets.servers.http.head import HeadParser
from targets.servers.http.service import HttpService

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel
    from targets.server_order import ServerOrder


def build_chat(prepared: PreparedModel, order: ServerOrder, progress: Progress, max_body_bytes: int) -> EventServer:
    """Build the server of `prepared`, whose path is the folder that training wrote."""
    setting = order.setting
    stage = f"loading {prepared.card.name}"
    progress(stage, 0, 1)
    model = load_language_model(prepared.path, RECIPES[prepared.card.name].shape, SLOTS)
    progress(stage, 1, 1)
    scheduler = Scheduler(limits_of(setting), SLOTS)
    protocol = ChatProtocol(prepared.card, int(wall_time().timestamp()), ChatTelemetry(scheduler))
    backend = ChatBackend(protocol, model, scheduler, int(setting["token_limit"]))
    heads = HeadParser(protocol.routes, max_body_bytes, Guard(order.token))
    tls = order.certificate.context() if order.certificate else None
    return EventServer(HttpService(protocol, backend, heads, max_body_bytes), backend.apply, tls=tls)
