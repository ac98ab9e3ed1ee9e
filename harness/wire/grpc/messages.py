"""The protocol's messages, made from their compiled description at their first use.

They have a descriptor pool of their own. Thus another library in this process may have the same protocol, and no
release of protobuf refuses them because a generated module is too old.
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
    """The message `name` with the fields of a JSON document that has the protocol's names."""
    from google.protobuf.json_format import ParseDict

    return ParseDict(document, message(name)())
