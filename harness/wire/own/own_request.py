"""Requests of the user's own to a service of any kind, as the command line or a recipe describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

HTTP, GRPC_METHOD = "http", "grpc-method"  # the protocols of such requests
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class OwnRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts of a request. Texts may hold `{field}` of `data`; `@FILE` names a file. All empty: there is none."""

    method: str = ""  # empty: POST where there is a body, else GET; of a gRPC service: package.Service/Method
    proto: str = ""  # the file that describes a gRPC service; empty: the server is asked
    body: str = ""  # the body, or @FILE; @FILE may be a pattern such as @photos/*.jpg
    form: tuple[str, ...] = ()  # fields of a form: name=text or name=@FILE, which makes it multipart
    data: str = ""  # the file of rows that fill the fields: .csv, .jsonl, or a pattern of any other files

    @property
    def is_grpc(self) -> bool:
        """Whether it is a call of a gRPC service."""
        return bool(self.proto) or "/" in self.method

    @property
    def given(self) -> bool:
        """Whether the user describes requests at all."""
        return self != OwnRequest()

    def within(self, folder: Path) -> OwnRequest:
        """The same request, with relative paths of files taken from `folder`."""

        def there(text: str) -> str:
            before, at, path = text.partition("@")
            return f"{before}@{folder / path}" if at and path else text

        return msgspec.structs.replace(
            self,
            body=there(self.body) if self.body.startswith("@") else self.body,
            form=tuple(there(part) if "=@" in part else part for part in self.form),
            proto=str(folder / self.proto) if self.proto else "",
            data=str(folder / self.data) if self.data else "",
        )
