"""Hashes of the code that makes a cached file."""

from __future__ import annotations

import ast
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DIGITS = 12
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def fingerprint(code: Iterable[Path], *facts: str) -> str:
    """The first 12 hexadecimal digits of a hash of Python files and `facts`. Comments and docstrings do not count."""
    made_of = hashlib.sha256()
    for file in code:
        made_of.update(hashlib.sha256(_statements(file.read_text(encoding="utf-8")).encode()).digest())
    for fact in facts:
        made_of.update(f"{fact}\n".encode())
    return made_of.hexdigest()[:DIGITS]


def _statements(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
