"""The protocol's messages, made from their compiled description when the process starts.

They live in a descriptor pool of their own: another library's copy of the same protocol in this process is
no conflict, and no release of protobuf refuses them for the age of a generated module.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from harness.wire.grpc.descriptors import FILE_DESCRIPTOR_SET

SERVICE = "inference.GRPCInferenceService"


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    files = descriptor_pb2.FileDescriptorSet.FromString(FILE_DESCRIPTOR_SET).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    classes: dict[str, Any] = message_factory.GetMessageClassesForFiles([file.name for file in files], pool)
    return classes


def message(name: str) -> Any:
    """The class of the message `name`, for example `ModelInferRequest`."""
    return _classes()[f"inference.{name}"]


def filled(name: str, document: dict[str, Any]) -> Any:
    """The message `name` with the fields of a JSON document, called as the protocol calls them."""
    from google.protobuf.json_format import ParseDict

    return ParseDict(document, message(name)())
