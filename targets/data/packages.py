"""Finds the data of installed packages and reports missing or corrupt files."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


def share(folder: str) -> Path | None:
    """The path of `folder` in the first of XDG_DATA_DIRS that has it; None where none has it.

    A package that cannot be installed can be unpacked (`dpkg -x PACKAGE.deb D`) and found with
    XDG_DATA_DIRS=D/usr/share.
    """
    roots = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return next((found for root in roots.split(":") if root and (found := Path(root) / folder).is_dir()), None)


@contextlib.contextmanager
def intact(what: str, remedy: str) -> Iterator[None]:
    """Raise UserError with `remedy` where reading the data inside the block fails."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{what} is corrupt ({reason}); replace it: {remedy}") from error
