"""Ask a server which protocol it speaks, and what its model takes."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.errors import UserError
from harness.wire.datatypes import DATATYPES
from harness.wire.payload_bank import FREE, BankMeta
from harness.wire.protocols import AUTO, GRPC, HTTP_JSON, OPENAI, TFS, protocol_named
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.wire.credentials import Access
    from harness.wire.server_url import ServerUrl

TIMEOUT_S = 5.0
MAX_DOCUMENT_BYTES = 1 << 20
OK = 200
_TFS_TYPES = {datatype.tensorflow: name for name, datatype in DATATYPES.items()}


def settle_protocol(name: str, url: str, model: str, access: Access | None = None) -> str:
    """The protocol called `name`; the one that the server speaks where that is `auto`. Raises UserError."""
    protocol = protocol_named(name)
    if protocol == AUTO:
        return detect_protocol(url, model, access)
    if parse_url(url).is_grpc and protocol != GRPC:
        raise UserError(f"--protocol {name}: {url} says gRPC; give the server's HTTP address, or --protocol grpc")
    return protocol


def detect_protocol(url: str, model: str, access: Access | None = None) -> str:
    """The protocol that a server speaks. Raises UserError where it does not answer, or speaks none that is known."""
    server = parse_url(url, access)
    if server.is_grpc:
        _ask_grpc(server, "ServerReady")
        return GRPC
    if _get(server, "/v2/health/ready")[0] == OK or _get(server, "/v2")[0] == OK:
        return HTTP_JSON
    status, document = _get(server, f"/v1/models/{quote(model)}")
    if status == OK and not (isinstance(document, dict) and document.get("object") == "model"):  # as OpenAI writes it
        return TFS
    status, document = _get(server, "/v1/models")
    if status == OK and isinstance(document, dict) and "data" in document:
        return OPENAI
    raise UserError(
        f"--host {url}: it speaks neither the Open Inference Protocol (/v2/health/ready) nor TensorFlow Serving's "
        f"REST (/v1/models/{model}); is --model {model} what it serves? Name the protocol with "
        f"--protocol {HTTP_JSON}, {TFS}, or plain JSON such as json:/predict?send=inputs[]&take=outputs.0"
    )


def read_meta(url: str, model: str, protocol: str, access: Access | None = None) -> BankMeta:
    """Names, shapes and type from the server's own metadata; a free size is FREE. Raises UserError."""
    server = parse_url(url, access)
    if protocol == GRPC:
        return _grpc_meta(server, model)
    path = f"/v1/models/{quote(model)}/metadata" if protocol == TFS else f"/v2/models/{quote(model)}"
    status, document = _get(server, path)
    try:
        if status in (401, 403):
            raise UserError(
                f"--host {url}: HTTP {status}: it asks for a bearer token, which is missing, wrong or expired; "
                "set SWEEPSPOT_TOKEN, or name a file with --token-file"
            )
        if status != OK:
            raise UserError(f"--model {model}: {url}{path} answers {status}; which models does this server have?")
        return _tfs_meta(model, document) if protocol == TFS else _v2_meta(model, document)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"--host {url}: cannot read what {model} takes from {path} ({error!r}); give payloads with --bank"
        ) from error


def _v2_meta(model: str, document: Any) -> BankMeta:
    given, output = _only(model, document["inputs"]), document["outputs"][0]
    return BankMeta(
        model=model,
        input_name=given["name"],
        output_name=output["name"],
        datatype=given["datatype"],
        input_shape=_item_shape(given["shape"]),
        output_shape=_item_shape(output["shape"]),
    )


def _grpc_meta(server: ServerUrl, model: str) -> BankMeta:
    document = _ask_grpc(server, "ModelMetadata", name=model)
    if not document.inputs or not document.outputs:
        raise UserError(f"--host {server}: {model} has no inputs or no outputs; give payloads with --bank")
    _only(model, [{"name": each.name} for each in document.inputs])
    given, output = document.inputs[0], document.outputs[0]
    return BankMeta(
        model=model,
        input_name=given.name,
        output_name=output.name,
        datatype=given.datatype,
        input_shape=_item_shape(given.shape),
        output_shape=_item_shape(output.shape),
    )


def _only(model: str, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The one input. Raises UserError where there are several: payloads are of one tensor."""
    if len(inputs) > 1:
        names = ", ".join(str(each["name"]) for each in inputs)
        raise UserError(
            f"--model {model}: it takes {len(inputs)} inputs ({names}), and payloads hold one; give whole request "
            "bodies with --bank FILE.jsonl, one JSON document a line"
        )
    return inputs[0]


def _ask_grpc(server: ServerUrl, method: str, **fields: str) -> Any:
    from harness.wire.grpc.call import CallError, ask

    try:
        return ask(server, method, **fields)
    except CallError as error:
        raise UserError(
            f"--host {server}: {method} answers {error}; does it speak the Open Inference Protocol, "
            "and is --model right?"
        ) from error


def _tfs_meta(model: str, document: Any) -> BankMeta:
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    _only(model, [{"name": name} for name in signature["inputs"]])
    (input_name, given), *_ = signature["inputs"].items()
    (output_name, output), *_ = signature["outputs"].items()
    return BankMeta(
        model=model,
        input_name=input_name,
        output_name=output_name,
        datatype=_TFS_TYPES[given["dtype"]],
        input_shape=_item_shape([int(dim["size"]) for dim in given["tensor_shape"]["dim"]]),
        output_shape=_item_shape([int(dim["size"]) for dim in output["tensor_shape"]["dim"]]),
    )


def _item_shape(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(size) if int(size) > 0 else FREE for size in list(shape)[1:])


def _headers(server: ServerUrl) -> dict[str, str]:
    return {"Authorization": server.access.authorization} if server.access.token else {}


def _remedy(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "name the authority of its certificate with --tls-ca"
    return "is the server running, and is this its port?"


def _get(server: ServerUrl, path: str) -> tuple[int, Any]:
    """(status, JSON document or None)."""
    connection = server.http_connection(TIMEOUT_S)
    try:
        connection.request("GET", server.prefix + path, headers=_headers(server))
        answer = connection.getresponse()
        body = answer.read(MAX_DOCUMENT_BYTES)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"--host {server}: no answer ({reason}); {_remedy(error)}") from error
    finally:
        connection.close()
    try:
        return answer.status, json.loads(body)
    except ValueError:
        return answer.status, None
