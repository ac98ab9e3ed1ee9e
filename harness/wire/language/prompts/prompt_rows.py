"""Reads prompts from rows of data sets: a text, messages, or ShareGPT's conversations, perhaps with images."""

from __future__ import annotations

import base64
import mimetypes
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TEXTS = ("prompt", "question", "text", "content", "value")  # where a row holds a prompt
TURNS = ("messages", "conversations", "conversation")  # ... or a list of messages
IMAGES = ("images", "image")  # files, beside the row's own, or `data:` URLs
USERS = ("user", "human")  # who says the first message
MOST_IMAGE_BYTES = 20 << 20


class PromptRow(NamedTuple):
    """The first message of a user; images are `data:` URLs."""

    text: str
    images: tuple[str, ...] = ()


def prompt_rows(rows: Iterable[Any], folder: Path) -> tuple[PromptRow, ...]:
    """The prompt in each row. Raises ValueError where a row has none, and OSError where an image cannot be read."""
    return tuple(_prompt_row(row, folder) for row in rows)


def table_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, of the columns that may hold a prompt. Raises ValueError, OSError."""
    import pyarrow.parquet as pq

    known = [name for name in pq.read_schema(path).names if name in (*TEXTS, *TURNS, *IMAGES)]
    rows: list[dict[str, Any]] = pq.read_table(path, columns=known).to_pylist()
    return rows


def _prompt_row(row: Any, folder: Path) -> PromptRow:
    if isinstance(row, str) and row.strip():
        return PromptRow(row)
    if isinstance(row, list):  # parts of a message
        return _of_parts([part for part in row if isinstance(part, dict)], folder)
    if isinstance(row, dict):
        turns = next((row[name] for name in TURNS if isinstance(row.get(name), list)), None)
        if turns is not None:
            first = next((turn for turn in turns if (turn.get("role") or turn.get("from")) in USERS), None)
            return _prompt_row(first, folder)
        found = _prompt_row(next((row[name] for name in TEXTS if isinstance(row.get(name), str | list)), None), folder)
        given = next((row[name] for name in IMAGES if row.get(name)), ())
        files = [given] if isinstance(given, str) else given
        return PromptRow(found.text, (*found.images, *(_data_url(file, folder) for file in files)))
    raise ValueError(f"no prompt in {msgspec.json.encode(row)[:60].decode(errors='replace')}")


def _of_parts(parts: list[dict[str, Any]], folder: Path) -> PromptRow:
    text = "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    urls = [part["image_url"] for part in parts if "image_url" in part]
    files = [url.get("url") if isinstance(url, dict) else url for url in urls]
    if not text.strip():
        raise ValueError("a message has parts, and none of them is a text")
    return PromptRow(text, tuple(_data_url(file, folder) for file in files))


def _data_url(file: Any, folder: Path) -> str:
    """An image as a URL that holds it."""
    if not isinstance(file, str):
        raise ValueError("an image is neither a file nor a URL")  # noqa: TRY004  (of the row)
    if file.startswith(("data:", "https:", "http:")):
        return file
    kind, _ = mimetypes.guess_type(file)
    if kind is None or not kind.startswith("image/"):
        raise ValueError(f"{file} has no name of an image, such as .png or .jpg")
    content = (folder / file).read_bytes()
    if len(content) > MOST_IMAGE_BYTES:
        raise ValueError(f"{file} has more than {MOST_IMAGE_BYTES >> 20} MiB")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
