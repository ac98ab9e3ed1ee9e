"""Makes a payload bank of requests of the user's own: bodies, forms and files, filled from rows of data."""

from __future__ import annotations

import glob
import mimetypes
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import orjson

from harness.errors import UserError
from harness.measure.target.data_rows import read_rows
from harness.system.named_secrets import with_named_secrets
from harness.wire.credentials import own_headers
from harness.wire.failure_text import quoted
from harness.wire.grpc.own_service import message_of
from harness.wire.grpc.reflection import reflected, services
from harness.wire.grpc.service_description import compiled, unary_method, unary_names
from harness.wire.http.raw_bodies import BODY, CONTENT_TYPE
from harness.wire.own.expectation_text import parse_expectation
from harness.wire.own.request_form import JSON, RequestForm
from harness.wire.payload_bank import FREE, Bank, BankMeta
from harness.wire.server_url import parse_url
from harness.wire.tolerance import OF_DATATYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.wire.own.own_request import OwnRequest

    Row = dict[str, Any]

_FIELD = re.compile(r"\{([A-Za-z_][\w .-]*)(:base64)?\}")
TOLERANCE = OF_DATATYPE["FP32"]  # of numbers in responses; JSON does not say in which datatype they were computed
STDIN = "-"
_BOUNDARY = "sweepspot-part-of-a-form"
_URLENCODED, _TEXT = "application/x-www-form-urlencoded", "text/plain; charset=utf-8"


class Body(NamedTuple):
    """One body, its type, and the fields that its response is compared with."""

    content: bytes
    content_type: str
    beside: Row


def own_bank(request: OwnRequest, expect: str, model: str) -> Bank:
    """The bank of all requests that `request` describes. Raises UserError."""
    needed = parse_expectation(expect, "--expect").fields if expect else set()
    request = msgspec.structs.replace(
        request, body=with_named_secrets(request.body), form=tuple(map(with_named_secrets, request.form))
    )
    rows = read_rows(request.data) if request.data else [{}]
    bodies = [body for row in rows for body in _bodies_of(request, row)]
    for name in sorted(needed):
        if any(name not in body.beside for body in bodies):
            raise UserError(f"--expect {expect}: not every row has a field {name!r}; --data FILE gives fields")
    types = sorted({body.content_type for body in bodies})
    if len(types) > 1:
        raise UserError(f"--body, --form: files of several types ({', '.join(types)}); measure one after the other")
    method = request.method or ("POST" if request.body or request.form else "GET")
    return bank_of(
        [body.content for body in bodies],
        RequestForm(method=method, content_type=types[0]),
        model,
        [{name: body.beside[name] for name in needed} for body in bodies] if needed else [],
    )


def bank_of(bodies: list[bytes], form: RequestForm, model: str, beside: list[Row]) -> Bank:
    """A bank of whole bodies. `beside`: for each the fields that its response is compared with, or nothing."""
    items = tuple(np.frombuffer(body, dtype=np.uint8) for body in bodies)
    meta = BankMeta(
        model=model,
        datatype=BODY,
        input_shape=(FREE,),
        output_shape=(),
        request=form,
        tolerance=TOLERANCE.absolute,
        relative_tolerance=TOLERANCE.relative,
    )
    return Bank(meta, items, np.zeros(0, np.int64), np.zeros(0, np.float32), tuple(map(orjson.dumps, beside)))


def service_bank(bank: Bank, request: OwnRequest, url: str) -> Bank:
    """`bank`, whose items are JSON documents, with serialised messages of the gRPC method instead. Raises UserError."""
    service, _, name = request.method.strip("/").rpartition("/")
    if not service or not name:
        raise UserError(f"--method {request.method}".rstrip() + f": name one of {', '.join(_methods(request, url))}")
    descriptors = compiled(request.proto) if request.proto else reflected(parse_url(url), service)
    method = unary_method(descriptors, request.method)
    items = tuple(np.frombuffer(message_of(method, item.tobytes()), dtype=np.uint8) for item in bank.inputs)
    form = msgspec.structs.replace(
        bank.meta.request or RequestForm(), method=request.method.strip("/"), descriptors=descriptors
    )
    return replace(bank, inputs=items, meta=msgspec.structs.replace(bank.meta, request=form))


def _methods(request: OwnRequest, url: str) -> list[str]:
    """The methods that can be called, by the `.proto` file or as the server says. Raises UserError."""
    if request.proto:
        return unary_names(compiled(request.proto))
    server = parse_url(url)
    return [name for service in services(server) for name in unary_names(reflected(server, service))
            if name.startswith(f"{service}/")]  # fmt: skip


def _bodies_of(request: OwnRequest, row: Row) -> Iterator[Body]:
    if request.form:
        yield from _forms(request.form, row)
    elif request.body.startswith("@"):
        for file in _files(_filled(request.body[1:], row, "--body"), "--body"):
            yield Body(_content(file, "--body"), _type_of(file), {"file": file.name, **row})
    elif request.body == STDIN:
        raise UserError(f"--body {STDIN}: standard input is not read; put it into a file and give --body @FILE")
    elif request.body:
        content, content_type = _text_body(request.body, row)
        yield Body(content, content_type, row)
    else:
        yield Body(b"", "", row)


def _text_body(text: str, row: Row) -> tuple[bytes, str]:
    """A JSON document, in which a text that is a field alone becomes its value; any other text.

    Raises UserError for a text that begins as JSON and is none, unless a header gives its type.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        filled = _filled(text, row, "--body")
        if not text.lstrip().startswith(("{", "[")) or _FIELD.match(text.lstrip()):
            return filled.encode(), _TEXT
        return filled.encode(), _type_of_json(filled)
    return (orjson.dumps(_filled_document(document, row)), JSON) if row else (text.encode(), JSON)


def _type_of_json(text: str) -> str:
    if any(name.lower() == CONTENT_TYPE for name, _ in own_headers()):
        return _TEXT
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        near = quoted(text[max(error.pos - 10, 0) : error.pos + 10])
        raise UserError(f"--body: it begins as JSON and is none: {error}, near {near}; correct it, or give its type "
                        "with --header 'Content-Type: text/plain'") from error  # fmt: skip
    return JSON


def _filled_document(part: Any, row: Row) -> Any:
    if isinstance(part, dict):
        return {name: _filled_document(each, row) for name, each in part.items()}
    if isinstance(part, list):
        return [_filled_document(each, row) for each in part]
    if not isinstance(part, str):
        return part
    whole = _FIELD.fullmatch(part)
    return _value(whole, row, "--body") if whole else _filled(part, row, "--body")


def _filled(text: str, row: Row, flag: str) -> str:
    """`text` with its fields replaced; without rows it is as it was written."""
    return _FIELD.sub(lambda match: str(_value(match, row, flag)), text) if row else text


def _value(field: re.Match[str], row: Row, flag: str) -> Any:
    if field[1] not in row:
        raise UserError(f"{flag}: the data have no field {field[1]!r}, but {', '.join(row)}")
    value = row[field[1]]
    if not field[2]:
        return value
    import base64

    return base64.b64encode(_content(Path(str(value)), flag)).decode()


def _forms(parts: tuple[str, ...], row: Row) -> Iterator[Body]:
    """A form for each file that its patterns name; without files it is one of URL-encoded texts."""
    fields = [part.partition("=") for part in parts]
    for name, equals, _ in fields:
        if not name or not equals:
            raise UserError(f"--form {name}: write name=text or name=@FILE")
    uploads = [(name, value[1:]) for name, _, value in fields if value.startswith("@")]
    texts = [(name, _filled(value, row, "--form")) for name, _, value in fields if not value.startswith("@")]
    if not uploads:
        from urllib.parse import urlencode

        yield Body(urlencode(texts).encode(), _URLENCODED, row)
        return
    found = [(name, _files(_filled(pattern, row, "--form"), "--form")) for name, pattern in uploads]
    for number in range(max(len(files) for _, files in found)):
        chosen = [(name, files[number % len(files)]) for name, files in found]
        beside = {"file": chosen[0][1].name, **row}
        yield Body(_multipart(texts, chosen), f"multipart/form-data; boundary={_BOUNDARY}", beside)


def _multipart(texts: list[tuple[str, str]], files: list[tuple[str, Path]]) -> bytes:
    """RFC 7578."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode() for name, text in texts]
    for name, file in files:
        head = f'Content-Disposition: form-data; name="{name}"; filename="{file.name}"\r\n'
        parts.append(f"{head}Content-Type: {_type_of(file)}\r\n\r\n".encode() + _content(file, "--form") + b"\r\n")
    if any(_BOUNDARY.encode() in part for part in parts):
        raise UserError(f"--form: a part holds {_BOUNDARY!r}, which parts the form; take it out")
    line = f"--{_BOUNDARY}\r\n".encode()
    return b"".join(line + part for part in parts) + f"--{_BOUNDARY}--\r\n".encode()


def _files(pattern: str, flag: str) -> list[Path]:
    """The file of that name, or all files that match it as a pattern, in the order of their names. Raises UserError."""
    if Path(pattern).is_file():
        return [Path(pattern)]
    if Path(pattern).is_dir():
        raise UserError(
            f"{flag} @{quoted(pattern)}: it is a folder; give its files as @{quoted(pattern.rstrip('/'))}/*"
        )
    files = sorted(path for path in map(Path, glob.glob(pattern)) if path.is_file())  # noqa: PTH207  (may be absolute)
    if not files:
        raise UserError(f"{flag} @{quoted(pattern)}: no such file")
    return files


def _content(file: Path, flag: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{flag} @{file}: cannot be read ({error.strerror})") from error


def _type_of(file: Path) -> str:
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"
