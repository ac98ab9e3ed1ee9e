"""Describes a target that is ready: the server that was started, and the endpoint that the load is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.wire.protocol import Transport
from harness.wire.protocols import find_protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.measure.target.first_requests import Accepted
    from harness.measure.target.statistics_reader import StatisticsReader
    from harness.plan.knobs import Setting
    from harness.record.model_card import ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyServer:
    """A server that was started and is ready: its URLs, its model, its payloads."""

    url: str
    grpc_url: str | None = None
    bank: Path | None = None  # None: there are no expected predictions
    class_banks: Mapping[str, Path] = field(default_factory=dict)  # by verb, for the verbs other than predict
    model: ModelCard | None = None
    metrics_url: str | None = None  # of Prometheus metrics, where they are not at one of the usual paths
    tls_ca: Path | None = None  # the authority of a certificate that the server made for itself

    def url_for(self, protocol: str) -> str:
        """The URL at which `protocol` is served. Raises UserError where it is not."""
        if find_protocol(protocol).transport is not Transport.GRPC:
            return self.url
        if self.grpc_url is None:
            raise UserError(
                f"{protocol}: this target has no gRPC port; give it grpc_port=0, or another protocol", "protocol"
            )
        return self.grpc_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL, or a model inside the load process (`url` None), with its payloads and the protocol to speak."""

    url: str | None
    others: tuple[str, ...] = ()  # URLs of further servers, over which conversations are spread
    bank: Path | None  # None: the load process makes its own payloads
    protocol: str
    setting: Setting  # every knob of the target, complete
    known: bool = True  # whether the bank holds expected predictions
    statistics_reader: StatisticsReader | None = None  # None: the server has no statistics that can be read
    class_banks: Mapping[str, Path] = field(default_factory=dict)  # by verb, for the verbs other than predict
    tls_ca: Path | None = None  # the certificate authority of the target's own certificate
    accepted: Accepted | None = None  # the fields that the server of a language model takes; None: it was not asked
    first_response_s: float | None = None  # of the request that was sent before the load; None where none was
