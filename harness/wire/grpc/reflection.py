"""Asks a gRPC server for the description of its services (server reflection, versions 1 and 1alpha)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.wire.grpc.call import call_of, call_once
from harness.wire.grpc.call_status import Code

if TYPE_CHECKING:
    from harness.wire.server_url import ServerUrl

VERSIONS = ("v1", "v1alpha")
MOST_FILES = 1000
_ADVICE = "give the service's .proto file with --proto"
# The part of grpc/reflection/v1/reflection.proto that is needed; both versions have the same messages.
_MESSAGES = """
name: "reflection.proto" syntax: "proto3"
message_type { name: "Request"
  field { name: "file_by_filename" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "file_containing_symbol" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "list_services" number: 7 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Response"
  field { name: "files" number: 4 type: TYPE_MESSAGE type_name: ".Files" label: LABEL_OPTIONAL }
  field { name: "services" number: 6 type: TYPE_MESSAGE type_name: ".Services" label: LABEL_OPTIONAL }
  field { name: "error" number: 7 type: TYPE_MESSAGE type_name: ".Error" label: LABEL_OPTIONAL } }
message_type { name: "Files" field { name: "file" number: 1 type: TYPE_BYTES label: LABEL_REPEATED } }
message_type { name: "Services"
  field { name: "service" number: 1 type: TYPE_MESSAGE type_name: ".Service" label: LABEL_REPEATED } }
message_type { name: "Service" field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Error" field { name: "error_message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
"""


def reflected(url: ServerUrl, service: str) -> bytes:
    """The description (`FileDescriptorSet`) of a service, with all that it imports. Raises UserError."""
    from google.protobuf import descriptor_pb2

    version = _spoken(url)
    found: dict[str, Any] = {}
    missing: set[str] = set()
    answer = _ask(url, version, file_containing_symbol=service)
    if answer.HasField("error"):
        raise UserError(f"{url}: it has no service {service!r}, but {', '.join(_services(url, version))}", "server")
    while len(found) < MOST_FILES:
        for content in answer.files.file:
            file = descriptor_pb2.FileDescriptorProto.FromString(content)
            found[file.name] = file
        missing = {name for file in found.values() for name in file.dependency} - set(found)
        if not missing:
            break
        answer = _ask(url, version, file_by_filename=min(missing))
        if not answer.files.file:
            raise UserError(f"{url}: its reflection has no file {min(missing)}; {_ADVICE}", "server")
    description: bytes = descriptor_pb2.FileDescriptorSet(file=_in_order(found)).SerializeToString()
    return description


def services(url: ServerUrl) -> list[str]:
    """The names of the server's services, reflection itself left out. Raises UserError where it has no reflection."""
    return [name for name in _services(url, _spoken(url)) if not name.startswith("grpc.reflection.")]


def _in_order(files: dict[str, Any]) -> list[Any]:
    """Every file after those that it imports."""
    done: dict[str, Any] = {}

    def add(name: str) -> None:
        if name not in done:
            for other in files[name].dependency:
                add(other)
            done[name] = files[name]

    for name in files:
        add(name)
    return list(done.values())


def _services(url: ServerUrl, version: str) -> list[str]:
    return sorted(each.name for each in _ask(url, version, list_services="*").services.service)


def _spoken(url: ServerUrl) -> str:
    """The version of reflection that the server has. Raises UserError where it has none."""
    for version in VERSIONS:
        if call_once(url, _call(url, version, list_services="*")).code == Code.OK:
            return version
    raise UserError(f"{url}: it has no reflection; {_ADVICE}", "server")


def _ask(url: ServerUrl, version: str, **fields: str) -> Any:
    from google.protobuf.message import DecodeError

    response = call_once(url, _call(url, version, **fields))
    try:
        return _classes()["Response"].FromString(response.message)
    except DecodeError as error:
        raise UserError(f"{url}: its reflection cannot be read ({error}); {_ADVICE}", "server") from error


def _call(url: ServerUrl, version: str, **fields: str) -> bytes:
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    return call_of(url, path, _classes()["Request"](**fields).SerializeToString())


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    file = text_format.Parse(_MESSAGES, descriptor_pb2.FileDescriptorProto())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    classes: dict[str, Any] = message_factory.GetMessageClassesForFiles([file.name], pool)
    return classes
