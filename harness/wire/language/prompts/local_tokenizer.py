"""Counts tokens with the user's own copy of a model's tokenizer. Needs the package `tokenizers` or `sentencepiece`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLAG = "--tokenizer"
FILE = "tokenizer.json"  # in the folder of a model of Hugging Face


def read_tokenizer(path: Path) -> Callable[[str], int]:
    """What counts the tokens of a text, without those that mark its begin and end. Raises UserError.

    `path` is a `tokenizer.json`, the folder that holds one, or a model of SentencePiece (`.model`).
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{FLAG} {path}: there is no such file; give a tokenizer.json or a .model of SentencePiece")
    if file.suffix == ".gguf":
        raise UserError(f"{FLAG} {path}: llama.cpp counts the tokens of its own models; leave {FLAG} out")
    try:
        return _of_sentencepiece(file) if file.suffix == ".model" else _of_json(file)
    except ImportError as error:
        raise UserError(f"{FLAG} {path}: it is read by a package that is not here: pip install {error.name}") from error


def _of_json(file: Path) -> Callable[[str], int]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises nothing narrower
        raise UserError(f"{FLAG} {file}: it is no tokenizer that the package `tokenizers` reads ({error})") from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _of_sentencepiece(file: Path) -> Callable[[str], int]:
    from sentencepiece import SentencePieceProcessor

    try:
        processor: Any = SentencePieceProcessor(model_file=str(file))
    except (RuntimeError, OSError) as error:
        raise UserError(f"{FLAG} {file}: it is no model of SentencePiece ({error})") from error
    return lambda text: len(processor.encode(text))
