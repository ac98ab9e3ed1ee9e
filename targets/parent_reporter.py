"""Reports the progress and readiness of a server to its parent process, or to the user."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from harness.plan.target_spec import is_model_file
from harness.wire.payload_bank import Bank

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan.knobs import Setting
    from harness.system.control_channel import ControlChannel
    from targets.server_order import ServerOrder
    from targets.servers.build import Built


@dataclass(frozen=True, slots=True)
class ReadyReport:
    """What a server reports once clients can connect."""

    authority: str
    order: ServerOrder
    built: Built
    setting: Setting

    @property
    def url(self) -> str:
        """The HTTP URL."""
        return f"{'https' if self.order.certificate else 'http'}://{self.authority}"

    @property
    def front_end_urls(self) -> dict[str, str]:
        """The URLs of further front ends by their names, such as `grpc`."""
        tls = "s" if self.order.certificate else ""
        return {name: f"{name}{tls}://{authority}" for name, authority in self.order.front_ends.items()}

    @property
    def tls_authority(self) -> Path | None:
        """The authority that clients must trust, for a temporary certificate."""
        return self.order.certificate.authority if self.order.certificate else None


class ParentReporter:
    """Reports progress and readiness to the parent, or to the user where there is no parent."""

    def __init__(self, control: ControlChannel | None) -> None:
        self._control = control
        self._last_stage = ""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report progress; a `Progress`."""
        if self._control is not None:
            self._control.send({"event": "progress", "stage": stage, "done": done, "total": total})
        elif stage != self._last_stage:
            print(f"{stage} ...", file=sys.stderr, flush=True)
            self._last_stage = stage

    def ready(self, ready: ReadyReport) -> None:
        """Report that clients can connect."""
        built = ready.built
        if self._control is None:
            print(_welcome(ready), flush=True)
            return
        message: dict[str, Any] = {"event": "ready", "url": ready.url, "pid": os.getpid(), "knobs": ready.setting}
        message |= {f"{name}_url": url for name, url in ready.front_end_urls.items()}
        if ready.tls_authority:
            message["tls_ca"] = str(ready.tls_authority)
        message["model"] = msgspec.to_builtins(built.prepared.card)
        message["bank"] = str(built.prepared.bank_path)
        message["class_banks"] = {verb: str(path) for verb, path in built.class_banks.items()}
        self._control.send(message)


def _welcome(ready: ReadyReport) -> str:
    name = ready.built.prepared.card.name
    urls = " and ".join([ready.url, *ready.front_end_urls.values()])
    return f"{name} at {urls} (Ctrl-C stops it). Try:\n  {_example(ready)}\nLoad it with:\n  {_load(ready)}"


def _load(ready: ReadyReport) -> str:
    """The command that loads the server from another terminal; a file is compared with its own predictions."""
    prepared, order = ready.built.prepared, ready.order
    words = ["python", "-m", "harness", "sweep", "concurrency", "--target", ready.url]
    if ready.tls_authority:
        words += ["--tls-ca", str(ready.tls_authority)]
    if prepared.bank_path.suffix == ".json":
        return shlex.join([*words, "--model", order.model, "--scenario", "agent"])
    words += ["--model", Bank.load(prepared.bank_path).meta.model]
    return shlex.join([*words, *(["--reference", order.model] if is_model_file(order.model) else [])])


def _example(ready: ReadyReport) -> str:
    """A curl command that sends one request."""
    prepared = ready.built.prepared
    curl = f"curl --cacert {ready.tls_authority}" if ready.tls_authority else "curl"
    if ready.order.token:
        curl += ' -H "Authorization: Bearer $SWEEPSPOT_TOKEN"'
    if prepared.bank_path.suffix == ".json":
        body = '{"messages":[{"role":"user","content":"What is AI?"}],"max_tokens":40,"stream":true}'
        return f"{curl} -N {ready.url}/v1/chat/completions -d '{body}'"
    bank = Bank.load(prepared.bank_path)
    item = orjson.dumps(bank.inputs[0], option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return f"{curl} {ready.url}/v1/models/{bank.meta.model}:predict -d '{{\"instances\":[{item}]}}'"
