"""Finds the words with which a response says that it failed, in the forms that servers use, whatever its status."""

from __future__ import annotations

import re
from typing import Any

from harness.wire.bounded_json import MAX_DEPTH, JsonError, parse_json

MAX_CHARS = 120
HTTP_ERROR = 400  # statuses from here on
_ERROR_NAME = re.compile("error|exception|fail|invalid|exceeded|denied|unauthori|forbidden|not.?found", re.IGNORECASE)
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
# `error` of OpenAI, Anthropic, Ollama, TGI, llama.cpp and v2; `errors` of Cloudflare; the others of clouds.
_ERROR_KEYS = (
    *("error", "errors", "exception", "error_message", "errorMessage", "error_msg", "errorCode", "error_code"),
    *("errorType", "__type"),
)
_ERROR_NUMBERS = ("error_code", "errorCode", "errcode")  # 0 where all is well: FastChat, Baidu
_FAILED = {"error", "failed", "failure", "fail", "exception", "response.failed", "response.error"}
_KINDS = ("object", "type", "status", "event")  # whose value may be one of `_FAILED`
# A document of nothing but these reports a failure where it says so: FastAPI, RFC 9457, API gateways.
_REPORT = {
    *("message", "detail", "msg", "title", "type", "status", "instance", "code", "param", "timestamp", "path"),
    *("request_id", "requestId", "statusCode", "status_code", "success", "id"),
}
_INNER = (*_ERROR_KEYS, "base_resp", "response")  # where the words are deeper
_WORDS = (
    *("message", "detail", "error_message", "errorMessage", "error_msg", "msg", "status_msg", "title", "error"),
    *("exception", "errors", "reason", "description", "errmsg", "text", "type", "code"),
)


def quoted(text: str) -> str:
    """The words of a server in one line of at most MAX_CHARS characters; what cannot be printed is escaped."""
    line = " ".join(text[: 4 * MAX_CHARS].split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)[:MAX_CHARS]


def short_text(value: object) -> str:
    """`str(value)`, also where the value is nested too deep for that, or has too many digits."""
    try:
        return str(value)
    except (RecursionError, ValueError):
        return f"{type(value).__name__} that is too large to print"


def failure_of(document: Any) -> str | None:
    """The words of a JSON document that reports a failure; None where it reports none.

    A number is no failure: a model may predict an error.
    """
    if isinstance(document, list):
        return failure_of(document[0]) if document and isinstance(document[0], dict) else None
    if not isinstance(document, dict):
        return None
    return quoted(_words(document)) if _fails(document) else None


def failure_in(body: bytes) -> str | None:
    """The words of a body that is a JSON document about a failure, a web page, or empty; None for any other."""
    if not body.strip():
        return "an empty body"
    if is_page(body):
        return f"a web page: {body_text(body)}"
    try:
        return failure_of(parse_json(body))
    except JsonError:
        return None


def is_page(body: bytes) -> bool:
    """Whether a body is HTML."""
    return _PAGE.match(body) is not None


def body_text(body: bytes) -> str:
    """What a body says, for people: the message of a failure, the title of a page, or its first characters."""
    if is_page(body):
        text = body[: 1 << 16].decode("utf-8", "replace")
        title = _TITLE.search(text)
        return quoted(title[1]) if title and title[1].strip() else quoted(_TAGS.sub(" ", text))
    try:
        found = failure_of(parse_json(body))
    except JsonError:
        found = None
    return found or quoted(body[: 4 * MAX_CHARS].decode("utf-8", "replace"))


def _fails(document: dict[str, Any]) -> bool:
    if any(_is_words(document.get(key)) for key in _ERROR_KEYS):
        return True
    if any(type(value := document.get(key)) is int and value for key in _ERROR_NUMBERS):
        return True
    if any(isinstance(value := document.get(key), str) and value.lower() in _FAILED for key in _KINDS):
        return True
    if document.get("success") is False:
        return True
    base = document.get("base_resp")  # MiniMax
    if isinstance(base, dict) and base.get("status_code") not in (0, None):
        return True
    return set(document) <= _REPORT and (_is_words(document.get("detail")) or _has_error_code(document))


def _has_error_code(document: dict[str, Any]) -> bool:
    """Whether a code is a status from 400 on, or a type is that of an error."""
    codes = [document.get(key) for key in ("code", "status", "statusCode", "status_code")]
    names = [name for key in ("type", "code", "title", "status") if isinstance(name := document.get(key), str)]
    return any(isinstance(code, int) and code >= HTTP_ERROR for code in codes) or any(map(_ERROR_NAME.search, names))


def _is_words(value: Any) -> bool:
    return value is True or (isinstance(value, str | dict | list) and bool(value))


def _words(value: Any, levels: int = MAX_DEPTH) -> str:
    """The most telling text in a report of a failure, at most `levels` deep."""
    if isinstance(value, list) and value and levels:
        return _words(value[0], levels - 1)
    if isinstance(value, dict) and levels:
        if isinstance(value.get("loc"), list) and isinstance(value.get("msg"), str):  # FastAPI names the field
            return f"{'.'.join(map(short_text, value['loc']))}: {value['msg']}"
        inner = next((part for key in _INNER if isinstance(part := value.get(key), dict | list) and part), None)
        if inner is not None:
            return _words(inner, levels - 1)
        found = next((value[key] for key in _WORDS if _is_words(value.get(key))), None)
        return short_text(value) if found is None else _words(found, levels - 1)
    return short_text(value)
