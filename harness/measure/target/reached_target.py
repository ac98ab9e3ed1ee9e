"""Sessions of targets that the harness does not start: a model in the load process, and servers known by their URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.measure.target.endpoint import Endpoint
from harness.measure.target.external_payloads import ExternalPayloads
from harness.measure.target.first_requests import FirstRequests
from harness.measure.target.statistics_reader import find_statistics_readers
from harness.wire.protocol import DEFAULT
from harness.wire.protocols import chats, find_protocol
from harness.wire.server_probe import settle_protocol

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan.plan import Plan, TargetRequest
    from harness.plan.target_spec import InProcessTarget, UrlTarget
    from harness.record.model_card import ModelCard


def protocols_of(plan: Plan) -> set[str]:
    """All that the plan's trials speak."""
    return {plan.load_at(point).protocol for point in plan.points}


class InProcessSession:
    """A model inside the load process: there is nothing to start."""

    pid: int | None = None

    def __init__(self, target: InProcessTarget) -> None:
        self.cards: dict[str, ModelCard] = {}
        self._target = target

    def serve(self, request: TargetRequest, log: Path) -> Endpoint:
        """The knobs for the load process, without a URL."""
        del log
        setting = self._target.knobs.complete(request.setting)
        return Endpoint(url=None, bank=None, protocol=request.protocol, setting=setting)

    def died(self) -> bool:
        """False: it ends with the load process, which is watched by itself."""
        return False

    def close(self) -> None:
        """Does nothing."""


class OwnRequestsSession:
    """A server that runs already, to which users send requests of their own: nobody else asks it anything."""

    pid: int | None = None

    def __init__(self, target: UrlTarget) -> None:
        self.cards: dict[str, ModelCard] = {}
        self._url = target.url

    def serve(self, request: TargetRequest, log: Path) -> Endpoint:
        """The endpoint, without payloads."""
        del log
        return Endpoint(url=self._url, bank=None, protocol=DEFAULT, setting=request.setting, known=False)

    def died(self) -> bool:
        """False: the harness cannot watch a process that it did not start."""
        return False

    def close(self) -> None:
        """Does nothing."""


class UrlSession:
    """A server that runs already, known by its URL. Each of its models is tried with one request at the beginning."""

    pid: int | None = None

    def __init__(self, target: UrlTarget, plan: Plan) -> None:
        self.cards: dict[str, ModelCard] = {}
        self._url, self._others = target.url, target.others
        self._spoken = {name: settle_protocol(name, target.url, plan.model) for name in protocols_of(plan)}
        if plan.chat_classes and not all(map(chats, self._spoken.values())):
            raise UserError(f"--target {target.url}: no language model's API is found there; say which with --protocol")
        if not plan.chat_classes and any(chats(spoken) and not chats(name) for name, spoken in self._spoken.items()):
            raise UserError(f"--target {target.url}: it carries conversations; add --scenario agent")
        self._payloads = ExternalPayloads(plan)
        self._first = FirstRequests(plan)
        for protocol in self._spoken.values():
            for model in plan.models:
                self._first.accepted_by(self._url, protocol, model, target.others)
                self._payloads.bank_for(self._url, protocol, model)
        # Some servers have no statistics before their first response.
        own_paths = all(find_protocol(spoken).own_paths for spoken in self._spoken.values())
        urls = target.url, *target.others
        self._statistics_reader = find_statistics_readers(urls, plan.model, plan.metrics, own_paths=own_paths)

    def serve(self, request: TargetRequest, log: Path) -> Endpoint:
        """The same endpoint each time, with the payloads of the requested model: there are no knobs to turn."""
        del log
        spoken = self._spoken.get(request.protocol, request.protocol)
        bank = self._payloads.bank_for(self._url, spoken, request.model)
        return Endpoint(
            url=self._url,
            others=self._others,
            bank=bank.path,
            protocol=spoken,
            setting=request.setting,
            known=bank.known,
            accepted=self._first.accepted_by(self._url, spoken, request.model),
            statistics_reader=self._statistics_reader,
            first_response_s=self._payloads.take_first_response_s(),
        )

    def died(self) -> bool:
        """False: the harness cannot watch a process that it did not start."""
        return False

    def close(self) -> None:
        """Remove the payload files."""
        self._payloads.close()
