"""Finds the words with which a response says that it failed, in the forms that servers use, whatever its status."""

from __future__ import annotations

import re
from typing import Any

from harness.wire.bounded_json import MAX_DEPTH, JsonError, parse_json

MAX_CHARS = 120
HTTP_ERROR = 400  # statuses from here on
SMALL = 1 << 12  # bytes of a document that may hold no result
_ERROR_NAME = re.compile("error|exception|fail|invalid|exceeded|denied|unauthori|forbidden|not.?found", re.IGNORECASE)
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_PROLOG = rb"\s*(?:\xef\xbb\xbf)?(?:\s+|<\?xml[^>]*>|<!--.*?-->)*"
_PAGE = re.compile(_PROLOG + rb"<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
# S3 and other clouds; SOAP.
_XML_FAILURE = re.compile(
    _PROLOG + rb"<(?:(?:\w+:)?(?:Error|ErrorResponse|Fault|Exception)\b|(?:\w+:)?Envelope\b.*<(?:\w+:)?Fault\b)",
    re.DOTALL,
)
# What gateways and proxies say in place of a server: API Gateway, Envoy, nginx.
_OF_GATEWAYS = re.compile(
    r"\s*(endpoint request timed out|internal server error|service (temporarily )?unavailable|too many requests|"
    r"(rate|limit) exceeded|forbidden|unauthorized|missing authentication token|not found|bad gateway|"
    r"gateway time-?out|request time(d )?out|no healthy upstream|upstream (connect error|request timeout)\b.*)\.?\s*",
    re.IGNORECASE | re.DOTALL,
)
# `error` of OpenAI, Anthropic, Ollama, TGI, llama.cpp and v2; `errors` of Cloudflare; the others of clouds.
# Names are compared in small letters.
_ERROR_KEYS = (
    *("error", "errors", "exception", "error_message", "errormessage", "error_msg", "errorcode", "error_code"),
    *("errortype", "__type", "err", "traceback", "faultstring"),
)
_NO_ERROR = {"0", "ok", "none", "null", "success", "false", "no"}  # texts of an `error` that is none
_ERROR_NUMBERS = ("error_code", "errorcode", "errcode")  # 0 where all is well: FastChat, Baidu
_FAILED = {"error", "failed", "failure", "fail", "exception", "response.failed", "response.error"}
_KINDS = ("object", "type", "status", "event")  # whose value may be one of `_FAILED`
# A document of nothing but these reports a failure where it says so: FastAPI, RFC 9457, API gateways.
_REPORT = {
    *("message", "detail", "msg", "title", "type", "status", "instance", "code", "param", "timestamp", "path"),
    *("request_id", "requestid", "statuscode", "status_code", "success", "id", "ok", "reason", "trace_id", "traceid"),
    *("errcode", "err_code", "errno", "errorcode", "error_code", "ret", "retcode", "ret_code", "ts", "time", "version"),
    *("errmsg", "err_msg", "errortext", "error_text", "retmsg", "ret_msg"),
}
_ERROR_CODES = ("errcode", "err_code", "errno", "errorcode", "error_code", "ret", "retcode", "ret_code")  # 0: none
# A job that was taken, and whose result comes later: Replicate and other asynchronous APIs.
_JOB = {
    *("state", "job_id", "jobid", "task_id", "taskid", "created_at", "createdat", "urls", "url", "input", "logs"),
    *("model", "object", "metrics", "eta", "queue_position", "position"),
}
_PENDING = {
    *("starting", "queued", "pending", "processing", "in_queue", "in_progress", "scheduled", "submitted", "accepted"),
    *("running", "not_started"),
}
_INNER = (*_ERROR_KEYS, "fault", "base_resp", "response")  # where the words are deeper
_WORDS = (
    *("message", "detail", "error_message", "errormessage", "error_msg", "msg", "errmsg", "err_msg", "errortext"),
    *("error_text", "retmsg", "ret_msg", "faultstring", "status_msg", "title", "error", "err", "exception", "errors"),
    *("reason", "description", "text", "type", "traceback", "code", *_ERROR_CODES),
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
    """What `reported_in` finds, or that there is no result: nothing in the body, or a job that is not done."""
    if not body.strip():
        return "an empty body"
    return reported_in(body) or (_without_result(body) if len(body) <= SMALL else None)


def reported_in(body: bytes) -> str | None:
    """The words of a body that is a document about a failure, a web page, or a gateway's text; None for any other."""
    if is_page(body):
        return f"a web page: {body_text(body)}"
    try:
        return failure_of(parse_json(body))
    except JsonError:
        said = _XML_FAILURE.match(body[: 1 << 16]) or _OF_GATEWAYS.fullmatch(body[: 1 << 10].decode("utf-8", "replace"))
        return body_text(body) if said else None


def _without_result(body: bytes) -> str | None:
    try:
        document = parse_json(body)
    except JsonError:
        return None
    if not isinstance(document, dict):
        return "an empty document" if document is None else None
    if state := _pending(document):
        return f"the result comes later, it is {quoted(state)}"
    says_none = any(name.lower() in _ERROR_KEYS for name in document)
    return None if says_none or any(value is not None for value in document.values()) else "an empty document"


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
    document = _in_small_letters(document)
    if any(_is_words(document.get(key)) for key in _ERROR_KEYS):
        return True
    if any(type(value := document.get(key)) is int and value for key in _ERROR_NUMBERS):
        return True
    if any(isinstance(value := document.get(key), str) and value.lower() in _FAILED for key in _KINDS):
        return True
    if document.get("success") in (False, "false", "False") or isinstance(document.get("fault"), dict):  # Apigee
        return True
    base = document.get("base_resp")  # MiniMax
    if isinstance(base, dict) and base.get("status_code") not in (0, None):
        return True
    rest = [value for name, value in document.items() if name not in _REPORT and value not in (None, [], {})]
    return all(_all_fail(value) for value in rest) if rest else _is_report(document)


def _all_fail(value: Any) -> bool:
    """Whether it is a list of failures alone, as in the response to a batch."""
    return isinstance(value, list) and all(isinstance(each, dict) and _fails(each) for each in value)


def _is_report(document: dict[str, Any]) -> bool:
    """Whether a document of nothing but the members of a report says that something failed."""
    words = (document.get(name) for name in ("message", "msg"))
    return (
        _is_words(document.get("detail"))
        or document.get("ok") is False
        or any(isinstance(text, str) and _OF_GATEWAYS.fullmatch(text) for text in words)
        or _has_error_code(document)
    )


def _has_error_code(document: dict[str, Any]) -> bool:
    """Whether a code is a status from 400 on or negative, or not 0 where 0 is none, or a type is that of an error."""
    codes = [_number(document.get(key)) for key in ("code", "status", "statuscode", "status_code")]
    names = [name for key in ("type", "code", "title", "status") if isinstance(name := document.get(key), str)]
    return (
        any(code >= HTTP_ERROR or code < 0 for code in codes)
        or any(_number(document.get(key)) for key in _ERROR_CODES)
        or any(map(_ERROR_NAME.search, names))
    )


def _number(value: Any) -> int:
    """A code as a number; 0 for what is none."""
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdecimal():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _pending(document: dict[str, Any]) -> str:
    """The state of a job, where a document is about one that is not done; else empty."""
    document = _in_small_letters(document)
    state = document.get("status") or document.get("state")
    if not isinstance(state, str) or state.lower().replace("-", "_") not in _PENDING:
        return ""
    rest = {name for name, value in document.items() if value not in (None, "", [], {}) and name not in _JOB}
    is_job = rest <= _REPORT and (None in document.values() or any(name.endswith("id") for name in document))
    return state if is_job else ""


def _in_small_letters(document: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in document.items()}


def _is_words(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value) and value.lower() not in _NO_ERROR
    return value is True or (isinstance(value, dict | list) and bool(value))


def _words(value: Any, levels: int = MAX_DEPTH) -> str:
    """The most telling text in a report of a failure, at most `levels` deep."""
    if isinstance(value, list) and value and levels:
        return _words(value[0], levels - 1)
    if isinstance(value, dict) and levels:
        value = _in_small_letters(value)
        if isinstance(value.get("loc"), list) and isinstance(value.get("msg"), str):  # FastAPI names the field
            return f"{'.'.join(map(short_text, value['loc']))}: {value['msg']}"
        inner = next((part for key in _INNER if isinstance(part := value.get(key), dict | list) and part), None)
        if inner is not None:
            return _words(inner, levels - 1)
        failed = (parts for parts in value.values() if isinstance(parts, list) and parts and _all_fail(parts))
        found = next((value[key] for key in _WORDS if _is_words(value.get(key))), next(failed, None))
        return short_text(value) if found is None else _words(found, levels - 1)
    return short_text(value)
