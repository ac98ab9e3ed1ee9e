"""Describes gRPC services of others: their methods and messages, from a `.proto` file or from the server itself."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import UserError, unknown_name
from harness.wire.failure_text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPILE_LIMIT_S = 60.0
WELL_KNOWN = "google.protobuf."


class UnaryMethod(NamedTuple):
    """A unary method: its path, and the classes of its messages."""

    path: str
    request: Any
    response: Any


def compiled(proto: str) -> bytes:
    """The description (`FileDescriptorSet`) of a `.proto` file and all that it imports. Raises UserError."""
    if find_spec("grpc_tools") is None:
        raise UserError(
            f"--proto {proto}: its compiler is missing; pip install 'sweepspot[grpc]', or leave --proto out where the "
            "server has reflection"
        )
    path = Path(proto).resolve()
    if not path.is_file():
        raise UserError(f"--proto {proto}: no such file")
    folders = [f"-I{folder}" for folder in dict.fromkeys((str(path.parent), str(Path.cwd())))]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        argv = [sys.executable, "-m", "grpc_tools.protoc", *folders, "--include_imports", f"--descriptor_set_out={out}"]
        done = subprocess.run([*argv, str(path)], capture_output=True, text=True, timeout=COMPILE_LIMIT_S, check=False)
        if done.returncode != 0:
            raise UserError(f"--proto {proto}: cannot be compiled ({quoted(done.stderr)})")
        return out.read_bytes()


def _methods(descriptors: bytes) -> dict[str, Any]:
    """Every method in a `FileDescriptorSet` by its name `package.Service/Method`."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors).file
    for file in files:
        pool.Add(file)
    services = [service for file in files for service in pool.FindFileByName(file.name).services_by_name.values()]
    return {f"{each.full_name}/{method.name}": method for each in services for method in each.methods}


def unary_names(descriptors: bytes) -> list[str]:
    """The names `package.Service/Method` of the methods that can be measured."""
    found = _methods(descriptors).items()
    return [name for name, each in found if not (each.client_streaming or each.server_streaming)]


def unary_method(descriptors: bytes, name: str) -> UnaryMethod:
    """The method `package.Service/Method` in a `FileDescriptorSet`. Raises UserError that names the nearest."""
    from google.protobuf import message_factory

    methods = _methods(descriptors)
    found = methods.get(name.strip("/"))
    if found is None:
        raise unknown_name("--method", name, methods)
    if found.client_streaming or found.server_streaming:
        raise UserError(f"--method {name}: it streams; only unary methods can be measured")
    request, response = (message_factory.GetMessageClass(each) for each in (found.input_type, found.output_type))
    return UnaryMethod(f"/{name.strip('/')}", request, response)


def document_of(message: Any) -> Any:
    """A message as a JSON document with the names of its fields; numbers of 64 bits stay numbers, bytes are base64."""
    if message.DESCRIPTOR.full_name.startswith(WELL_KNOWN):
        from google.protobuf.json_format import MessageToDict

        return MessageToDict(message)
    return dict(_members(message))


def _members(message: Any) -> Iterator[tuple[str, Any]]:
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            inner = entry.fields_by_name["value"]
            yield field.name, {str(key): _value(inner, each) for key, each in value.items()}
        elif field.is_repeated:
            yield field.name, [_value(field, each) for each in value]
        else:
            yield field.name, _value(field, value)


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return document_of(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
