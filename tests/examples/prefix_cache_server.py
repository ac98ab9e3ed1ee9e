"""A language model's server with a prefix cache of known effect: `python -m tests.examples.prefix_cache_server PORT`.

A token is a word. Tokens are cached in blocks of BLOCK (vLLM: 16; 4 lose less of a shared beginning); each token that
is not cached costs TOKEN_US before the first piece, 100 by default. With `SILENT=1` in the environment the usage leaves
the cached tokens out, as vLLM's does by default.
"""

from __future__ import annotations

import http.server
import json
import os
import sys
import time
from typing import Any

from tests.examples.http_service import JsonHandler

BLOCK, GAP_S = 4, 1e-3
TOKEN_US = float(os.environ.get("TOKEN_US", "100"))
TEMPLATE = ("<begin>", "<end>")  # of each message


def tokens_of(messages: list[dict[str, Any]]) -> list[str]:
    """The prompt's tokens."""
    return [token for each in messages for token in (TEMPLATE[0], *each["content"].split(), TEMPLATE[1])]


class PrefixCache:
    """The beginnings of prompts, in whole blocks."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def take(self, tokens: list[str]) -> int:
        """How many of the tokens were cached; all of them are from now on."""
        beginning, cached = 0, 0
        for end in range(BLOCK, len(tokens) + 1, BLOCK):
            beginning = hash((beginning, *tokens[end - BLOCK : end]))
            cached += BLOCK if beginning in self._known else 0
            self._known.add(beginning)
        return cached


def handler(*, silent: bool = False) -> type[JsonHandler]:
    """Answers as such a server does, with a cache of its own."""
    cache = PrefixCache()

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            self.answer(200 if self.path == "/v1/models" else 404, {"object": "list", "data": [{"id": "m"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/tokenize":
                words = asked.get("content", asked.get("prompt", "")).split()
                self.answer(200, {"tokens": [1] * len(words), "count": len(words)})
                return
            tokens = tokens_of(asked["messages"])
            cached = cache.take(tokens)
            usage = {"prompt_tokens": len(tokens), "completion_tokens": asked["max_tokens"]}
            if not silent:
                usage["prompt_tokens_details"] = {"cached_tokens": cached}  # type: ignore[assignment]
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            time.sleep(TOKEN_US / 1e6 * (len(tokens) - cached))
            for _ in range(asked["max_tokens"]):
                self._event({"choices": [{"index": 0, "delta": {"content": "w "}}]})
                time.sleep(GAP_S)
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")

        def _event(self, document: dict[str, Any]) -> None:
            self._chunk(b"data: " + json.dumps(document).encode() + b"\n\n")

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    return Handler


if __name__ == "__main__":
    served = handler(silent=os.environ.get("SILENT") == "1")
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), served).serve_forever()
