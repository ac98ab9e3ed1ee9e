"""Response streams in the forms of servers, written from their documentation, with names and texts replaced.

Each has its events in order and, worked out by hand, the numbers of the events that add to the output (from 1), the
number of the first that is no reasoning, the text, and the server's counts; or the words of the error that it is.
"""

import json
import math
from typing import NamedTuple

ABSENT = -1


class Recorded(NamedTuple):
    name: str
    protocol: str
    events: list[bytes]
    pieces: tuple[int, ...] = ()
    answer: int = ABSENT
    text: str = ""
    counts: tuple[int, int, int] = (ABSENT, ABSENT, ABSENT)  # prompt, cached, response
    error: str = ""


def data(document):
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


def named(document):
    return b"event: " + document["type"].encode() + b"\n" + data(document)


DONE = b"data: [DONE]\n\n"


def chunk(delta=None, finish=None, **more):
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return data(
        {"id": "x-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    )


def said(text, finish=None, **more):
    return chunk({"content": text}, finish, **more)


ROLE = chunk({"role": "assistant", "content": ""})


def usage(prompt, response, **more):
    counts = {"prompt_tokens": prompt, "completion_tokens": response, "total_tokens": prompt + response, **more}
    return data({"object": "chat.completion.chunk", "choices": [], "usage": counts})


def tool(arguments, name=None):
    call = {"index": 0, "function": {"arguments": arguments, **({"name": name} if name else {})}}
    return chunk({"tool_calls": [call]})


OPENAI = [
    Recorded(
        "openai, text",
        "openai",
        [
            chunk({"role": "assistant", "content": "", "refusal": None}, logprobs=None),
            said("Hel"),
            said("lo"),
            chunk({}, "stop"),
            usage(9, 2, prompt_tokens_details={"cached_tokens": 0}),
            DONE,
        ],
        (2, 3),
        2,
        "Hello",
        (9, 0, 2),
    ),
    Recorded(
        "openai, usage null on every chunk",
        "openai",
        [
            chunk({"role": "assistant", "content": ""}, usage=None),
            said("a", usage=None),
            chunk({}, "length", usage=None),
            usage(5, 1),
            DONE,
        ],
        (2,),
        2,
        "a",
        (5, ABSENT, 1),
    ),
    Recorded(
        "openai, tool call",
        "openai",
        [
            chunk(
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ],
                }
            ),
            tool('{"a'),
            tool('": 1}'),
            chunk({}, "tool_calls"),
            DONE,
        ],
        (1, 2, 3),
        1,
        "",
    ),
    Recorded(
        "openai, refusal",
        "openai",
        [ROLE, chunk({"refusal": "I can"}), chunk({"refusal": "not"}), chunk({}, "stop"), DONE],
        (2, 3),
        2,
        "",
    ),
    Recorded(
        "openai, two choices",
        "openai",
        [
            data({"choices": [{"index": 0, "delta": {"content": "a"}}]}),
            data({"choices": [{"index": 1, "delta": {"content": "b"}}]}),
            data({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            data({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
            DONE,
        ],
        (1, 2),
        1,
        "ab",
    ),
    Recorded(
        "openai, audio",
        "openai",
        [
            ROLE,
            chunk({"audio": {"id": "a", "transcript": "Hi"}}),
            chunk({"audio": {"data": "UklG"}}),
            chunk({}, "stop"),
            DONE,
        ],
        (2, 3),
        2,
        "",
    ),
    Recorded(
        "openai, error in the middle",
        "openai",
        [ROLE, said("a"), data({"error": {"message": "The server had an error", "type": "server_error"}})],
        error="The server had an error",
    ),
    Recorded(
        "openai, content filter", "openai", [ROLE, said("a"), chunk({}, "content_filter"), DONE], error="content_filter"
    ),
    Recorded("openai, cut", "openai", [ROLE, said("a"), said("b")], error="the stream was cut"),
    Recorded("openai, nothing", "openai", [ROLE, chunk({}, "stop"), usage(9, 0), DONE], error="the response is empty"),
]
AZURE = [
    Recorded(
        "azure, filter results first",
        "openai",
        [
            data({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}),
            ROLE,
            said("a", content_filter_results={"hate": {"filtered": False}}),
            chunk({}, "stop"),
            DONE,
        ],
        (3,),
        3,
        "a",
    ),
    Recorded(
        "azure, filtered",
        "openai",
        [data({"choices": [], "prompt_filter_results": []}), said("a"), chunk(None, "content_filter"), DONE],
        error="content_filter",
    ),
]
VLLM = [
    Recorded(
        "vllm, text, usage on every chunk",
        "openai",
        [
            chunk({"role": "assistant", "content": ""}, usage={"prompt_tokens": 31, "completion_tokens": 0}),
            said("a", usage={"prompt_tokens": 31, "completion_tokens": 1}),
            said("b", "stop", usage={"prompt_tokens": 31, "completion_tokens": 3}),
            DONE,
        ],
        (2, 3),
        2,
        "ab",
        (31, ABSENT, 3),
    ),
    Recorded(
        "vllm, reasoning of 2025",
        "openai",
        [
            ROLE,
            chunk({"reasoning_content": "hm"}),
            chunk({"reasoning_content": "so"}),
            said("yes", "stop"),
            DONE,
        ],
        (2, 3, 4),
        4,
        "yes",
    ),
    Recorded(
        "vllm, reasoning of 2026",
        "openai",
        [
            ROLE,
            chunk({"reasoning": "hm"}),
            chunk({"reasoning": "so"}),
            said("yes", "stop"),
            usage(
                31, 7, prompt_tokens_details={"cached_tokens": 16}, completion_tokens_details={"reasoning_tokens": 4}
            ),
            DONE,
        ],
        (2, 3, 4),
        4,
        "yes",
        (31, 16, 7),
    ),
    Recorded("vllm, reasoning only", "openai", [ROLE, chunk({"reasoning": "hm"}, "length"), DONE], (2,), ABSENT, ""),
    Recorded(
        "vllm, error object",
        "openai",
        [
            ROLE,
            data({"object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500}),
            DONE,
        ],
        error="EngineCore died",
    ),
    Recorded("vllm, abort", "openai", [ROLE, said("a"), chunk({}, "abort"), DONE], error="abort"),
    Recorded(
        "vllm, completions",
        "openai-completions",
        [
            data({"object": "text_completion", "choices": [{"index": 0, "text": "a", "logprobs": None}]}),
            data({"object": "text_completion", "choices": [{"index": 0, "text": "bc", "finish_reason": "length"}]}),
            data({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}}),
            DONE,
        ],
        (1, 2),
        1,
        "abc",
        (4, ABSENT, 3),
    ),
    Recorded(
        "vllm, logprobs",
        "openai",
        [
            ROLE,
            data({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]}),
            chunk({}, "length"),
            DONE,
        ],
        (2,),
        2,
        "a",
    ),
]
SGLANG = [
    Recorded(
        "sglang, text",
        "openai",
        [
            chunk(
                {"role": "assistant", "content": "", "reasoning_content": None, "tool_calls": None}, matched_stop=None
            ),
            said("a"),
            chunk({"content": None}, "stop", matched_stop=2),
            usage(12, 1, prompt_tokens_details=None, reasoning_tokens=0),
            DONE,
        ],
        (2,),
        2,
        "a",
        (12, ABSENT, 1),
    ),
    Recorded(
        "sglang, cache report",
        "openai",
        [ROLE, said("a", "length"), usage(64, 1, prompt_tokens_details={"cached_tokens": 48}), DONE],
        (2,),
        2,
        "a",
        (64, 48, 1),
    ),
    Recorded(
        "sglang, several tokens a piece",
        "openai",
        [ROLE, said("a b c d"), said(" e f g h"), chunk({}, "length"), usage(12, 8), DONE],
        (2, 3),
        2,
        "a b c d e f g h",
        (12, ABSENT, 8),
    ),
    Recorded(
        "sglang, error object first",
        "openai",
        [
            data(
                {"object": "error", "message": "CUDA out of memory", "type": "BadRequest", "param": None, "code": 400}
            ),
            DONE,
        ],
        error="CUDA out of memory",
    ),
]
LLAMACPP = [
    Recorded(
        "llama.cpp, text",
        "openai",
        [
            chunk({"role": "assistant", "content": None}),
            said("a"),
            said("b"),
            chunk({}, "length"),
            usage(31, 2, prompt_tokens_details={"cached_tokens": 24}),
            DONE,
        ],
        (2, 3),
        2,
        "ab",
        (31, 24, 2),
    ),
    Recorded(
        "llama.cpp, timings in the last chunk",
        "openai",
        [
            ROLE,
            said("a"),
            chunk(
                {}, "stop", timings={"cache_n": 3, "prompt_n": 9}, usage={"prompt_tokens": 12, "completion_tokens": 1}
            ),
            DONE,
        ],
        (2,),
        2,
        "a",
        (12, ABSENT, 1),
    ),
    Recorded(
        "llama.cpp, error line",
        "openai",
        [
            ROLE,
            said("a"),
            b'error: {"code":400,"message":"the context is full","type":"invalid_request_error"}\n\n',
            DONE,
        ],
        error="the context is full",
    ),
    Recorded(
        "llama.cpp, error data",
        "openai",
        [data({"error": {"code": 500, "message": "failed to decode", "type": "server_error"}})],
        error="failed to decode",
    ),
    Recorded(
        "llama.cpp, messages",
        "anthropic",
        [
            named({"type": "message_start", "message": {"usage": {"cache_read_input_tokens": 30, "input_tokens": 1}}}),
            named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
            named({"type": "content_block_stop", "index": 0}),
            named({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 1}}),
            named({"type": "message_stop"}),
        ],
        (3,),
        3,
        "a",
        (31, 30, 1),
    ),
]
TGI = [
    Recorded(
        "tgi, text",
        "openai",
        [said("a", usage=None), said("b", usage=None), said("", "length", usage=None), usage(20, 3), DONE],
        (1, 2),
        1,
        "ab",
        (20, ABSENT, 3),
    ),
    Recorded(
        "tgi, error event",
        "openai",
        [
            said("a"),
            b"event: error\n" + data({"error": "Request failed during generation", "error_type": "generation"}),
        ],
        error="Request failed during generation",
    ),
    Recorded(
        "tgi, overloaded",
        "openai",
        [data({"error": "Model is overloaded", "error_type": "overloaded"})],
        error="Model is overloaded",
    ),
    Recorded(
        "tgi, tool call as a dict",
        "openai",
        [
            chunk({"role": "assistant", "tool_calls": {"index": 0, "function": {"name": "f", "arguments": "{"}}}),
            chunk(
                {"role": "assistant", "tool_calls": {"index": 0, "function": {"name": None, "arguments": "}"}}}, "stop"
            ),
            DONE,
        ],
        (1, 2),
        1,
        "",
    ),
]
OLLAMA = [
    Recorded(
        "ollama, text",
        "openai",
        [
            chunk({"role": "assistant", "content": "a"}),
            chunk({"role": "assistant", "content": "b"}),
            chunk({"role": "assistant", "content": ""}, "stop"),
            usage(26, 3),
            DONE,
        ],
        (1, 2),
        1,
        "ab",
        (26, ABSENT, 3),
    ),
    Recorded(
        "ollama, reasoning",
        "openai",
        [
            chunk({"role": "assistant", "content": "", "reasoning": "hm"}),
            chunk({"role": "assistant", "content": "ok"}),
            chunk({"role": "assistant", "content": ""}, "stop"),
            DONE,
        ],
        (1, 2),
        2,
        "ok",
    ),
    Recorded(
        "ollama, error",
        "openai",
        [said("a"), data({"error": {"message": "model runner has unexpectedly stopped"}})],
        error="unexpectedly stopped",
    ),
]
TENSORRT = [
    Recorded(
        "tensorrt-llm, text",
        "openai",
        [ROLE, said("a"), said("b"), chunk({"content": ""}, "length", stop_reason=None), usage(8, 2), DONE],
        (2, 3),
        2,
        "ab",
        (8, ABSENT, 2),
    ),
    Recorded(
        "triton, null delta at the end",
        "openai",
        [ROLE, said("a"), data({"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}), DONE],
        (2,),
        2,
        "a",
    ),
]
DEEPSEEK = [
    Recorded(
        "deepseek, reasoning and cache",
        "openai",
        [
            chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
            chunk({"content": None, "reasoning_content": "hm"}),
            chunk({"content": "ok", "reasoning_content": None}),
            chunk(
                {"content": "", "reasoning_content": None},
                "stop",
                usage={
                    "prompt_tokens": 40,
                    "completion_tokens": 2,
                    "prompt_cache_hit_tokens": 32,
                    "prompt_cache_miss_tokens": 8,
                },
            ),
            DONE,
        ],
        (2, 3),
        3,
        "ok",
        (40, 32, 2),
    ),
    Recorded(
        "deepseek, keep-alive comments",
        "openai",
        [b": keep-alive\n\n", b": keep-alive\n\n", ROLE, said("a", "stop"), DONE],
        (4,),
        4,
        "a",
    ),
    Recorded(
        "deepseek, resources",
        "openai",
        [ROLE, said("a"), chunk({}, "insufficient_system_resource"), DONE],
        error="insufficient_system_resource",
    ),
]
OPENROUTER = [
    Recorded(
        "openrouter, processing comments and reasoning",
        "openai",
        [
            b": OPENROUTER PROCESSING\n\n",
            chunk({"role": "assistant", "content": "", "reasoning": "hm"}),
            said("ok", native_finish_reason=None),
            chunk({"content": ""}, "stop"),
            usage(7, 2, cost=0.1),
            DONE,
        ],
        (2, 3),
        3,
        "ok",
        (7, ABSENT, 2),
    ),
    Recorded(
        "openrouter, error in the middle",
        "openai",
        [
            said("a"),
            data(
                {
                    "error": {"code": "server_error", "message": "Provider disconnected"},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                }
            ),
        ],
        error="Provider disconnected|error",
    ),
]
MISTRAL = [
    Recorded(
        "mistral, thinking parts",
        "openai",
        [
            ROLE,
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
            chunk({"content": [{"type": "text", "text": "ok"}]}),
            chunk({"content": ""}, "stop", usage={"prompt_tokens": 6, "completion_tokens": 2}),
            DONE,
        ],
        (2, 3),
        3,
        "ok",
        (6, ABSENT, 2),
    ),
    Recorded(
        "mistral, error finish", "openai", [ROLE, said("a"), chunk({"content": ""}, "error"), DONE], error="error"
    ),
]
GEMINI = [
    Recorded(
        "gemini, several tokens a piece",
        "openai",
        [
            chunk({"role": "assistant", "content": "Hello there, "}),
            chunk({"role": "assistant", "content": "you."}, "stop"),
            DONE,
        ],
        (1, 2),
        1,
        "Hello there, you.",
    ),
    Recorded(
        "gemini, a list with an error",
        "openai",
        [data([{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}])],
        error="The model is overloaded.",
    ),
]
ANTHROPIC = [
    Recorded(
        "anthropic, thinking, text and tool",
        "anthropic",
        [
            named({"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}}),
            named({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
            named({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
            named({"type": "ping"}),
            named({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ok"}}),
            named(
                {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}}
            ),
            named({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
            named({"type": "message_stop"}),
        ],
        (3, 5, 6),
        5,
        "ok",
        (25, ABSENT, 9),
    ),
    Recorded(
        "anthropic, overloaded",
        "anthropic",
        [
            named({"type": "message_start", "message": {"usage": {"input_tokens": 25}}}),
            named({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        ],
        error="Overloaded",
    ),
    Recorded(
        "anthropic, cut",
        "anthropic",
        [named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}})],
        error="the stream was cut",
    ),
]
RESPONSES = [
    Recorded(
        "responses, reasoning and text",
        "openai-responses",
        [
            named({"type": "response.created", "response": {"status": "in_progress"}}),
            named({"type": "response.reasoning_summary_text.delta", "delta": "hm"}),
            named({"type": "response.output_text.delta", "delta": "o"}),
            named({"type": "response.output_text.delta", "delta": "k"}),
            named({"type": "response.output_text.done", "text": "ok"}),
            named(
                {
                    "type": "response.completed",
                    "response": {
                        "status": "completed",
                        "usage": {"input_tokens": 11, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 8}},
                    },
                }
            ),
        ],
        (2, 3, 4),
        3,
        "ok",
        (11, 8, 6),
    ),
    Recorded(
        "responses, function call",
        "openai-responses",
        [
            named({"type": "response.function_call_arguments.delta", "delta": "{"}),
            named({"type": "response.function_call_arguments.delta", "delta": "}"}),
            named({"type": "response.completed", "response": {"status": "completed"}}),
        ],
        (1, 2),
        1,
        "",
    ),
    Recorded(
        "responses, failed",
        "openai-responses",
        [
            named({"type": "response.output_text.delta", "delta": "o"}),
            named({"type": "response.failed", "response": {"status": "failed", "error": {"message": "model crashed"}}}),
        ],
        error="model crashed",
    ),
]


def bare(event):
    """An event without the space after `data:`."""
    return event.replace(b"data: ", b"data:", 1)


def one_newline(event):
    """An event without the blank line after it."""
    return event.removesuffix(b"\n")


def usage_as(value, **more):
    return data({"object": "chat.completion.chunk", "usage": value, **more})


def block(kind, **more):
    return named({"type": "content_block_delta", "index": 0, "delta": {"type": kind, **more}})


def message_end(**counts):
    return named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts})


def response(status, **more):
    output = [{"type": "message", "content": [{"type": "output_text", "text": "ok"}]}]
    return named({"type": f"response.{status}", "response": {"status": status, "output": output, **more}})


A, B = said("a"), said("b")
END = chunk({}, "stop")
TWO = ((2, 3), 2, "ab")  # the role first, then `a` and `b`
QUIRKS = [
    Recorded("proxy, no space after data", "openai", [bare(each) for each in (ROLE, A, B, END, DONE)], *TWO),
    Recorded("proxy, single newlines", "openai", [one_newline(each) for each in (ROLE, A, B, END, DONE)], *TWO),
    Recorded(
        "proxy, carriage returns alone",
        "openai",
        [each.replace(b"\n", b"\r") for each in (ROLE, A, B, END, DONE)],
        *TWO,
    ),
    Recorded(
        "proxy, carriage returns with line feeds",
        "openai",
        [each.replace(b"\n", b"\r\n") for each in (ROLE, A, B, END, DONE)],
        *TWO,
    ),
    Recorded(
        "proxy, fields besides data",
        "openai",
        [b"retry: 3000\nid: 1\n" + ROLE, b"id: 2\nevent: message\n" + A, b":\n\n", B, END, DONE],
        (2, 4),
        2,
        "ab",
    ),
    Recorded("proxy, byte order mark", "openai", [b"\xef\xbb\xbf" + ROLE, A, B, END, DONE], *TWO),
    Recorded("proxy, no DONE", "openai", [ROLE, A, B, END], *TWO),
    Recorded("proxy, no DONE and no blank line", "openai", [ROLE, A, B, one_newline(END)], *TWO),
    Recorded("proxy, DONE without a blank line", "openai", [ROLE, A, B, END, b"data: [DONE]"], *TWO),
    Recorded("proxy, empty data", "openai", [b"data: \n\n", ROLE, A, B, b"data:\n\n", END, DONE], (3, 4), 3, "ab"),
    Recorded(
        "proxy, whole answer in one piece",
        "openai",
        [ROLE + A + B + END + usage(5, 2) + DONE],
        (1, 1),
        1,
        "ab",
        (5, ABSENT, 2),
    ),
    Recorded(
        "proxy, page in mid-stream", "openai", [ROLE, A, b"<html>502 Bad Gateway</html>\n\n"], error="a web page: 502"
    ),
    Recorded(
        "proxy, failure without a field",
        "openai",
        [ROLE, A, b'{"error": {"message": "engine died"}}\n\n', DONE],
        error="engine died",
    ),
    Recorded("proxy, a text", "openai", [ROLE, A, b"Internal Server Error\n\n", DONE], error="Internal Server Error"),
    Recorded("proxy, a message", "openai", [ROLE, A, data({"message": "loop has died"}), DONE], error="loop has died"),
    Recorded(
        "MiniMax, limit beside choices",
        "openai",
        [
            *(ROLE, A),
            data({"choices": [{"finish_reason": "stop"}], "base_resp": {"status_code": 1002, "status_msg": "limit"}}),
            DONE,
        ],
        error="limit",
    ),
    Recorded(
        "MiniMax, all is well",
        "openai",
        [
            ROLE,
            A,
            data({"choices": [{"finish_reason": "stop"}], "base_resp": {"status_code": 0, "status_msg": ""}}),
            DONE,
        ],
        (2,),
        2,
        "a",
    ),
    Recorded("proxy, another line", "openai", [ROLE, A, b"{}\n\n", B, END, DONE], (2, 4), 2, "ab"),
    Recorded(
        "FastChat, error code",
        "openai",
        [ROLE, A, data({"text": "too busy", "error_code": 50001}), DONE],
        error="too busy",
    ),
    Recorded(
        "FastChat, no error", "openai", [ROLE, A, data({"text": "x", "error_code": 0}), B, END, DONE], (2, 4), 2, "ab"
    ),
    Recorded(
        "proxy, detail of FastAPI", "openai", [ROLE, A, data({"detail": "worker died"}), DONE], error="worker died"
    ),
    Recorded("proxy, error as a text", "openai", [ROLE, A, data({"error": "gone"}), DONE], error="gone"),
    Recorded("proxy, only DONE", "openai", [DONE], error="the response is empty"),
    Recorded("proxy, only a role", "openai", [ROLE, END, DONE], error="the response is empty"),
    Recorded("proxy, nothing at all", "openai", [b": ping\n\n"], error="ended before its first token"),
    Recorded("usage, empty", "openai", [ROLE, A, B, END, usage_as({}, choices=[]), DONE], *TWO),
    Recorded("usage, null", "openai", [ROLE, A, B, END, usage_as(None, choices=[]), DONE], *TWO),
    Recorded(
        "usage, without choices",
        "openai",
        [ROLE, A, B, END, usage_as({"prompt_tokens": 5, "completion_tokens": 2}), DONE],
        *TWO,
        (5, ABSENT, 2),
    ),
    Recorded("usage, before the end", "openai", [ROLE, A, B, usage(5, 2), END, DONE], *TWO, (5, ABSENT, 2)),
    Recorded("usage, all zero", "openai", [ROLE, A, B, END, usage(0, 0), DONE], *TWO, (0, ABSENT, 0)),
    Recorded("usage, of hidden reasoning", "openai", [ROLE, A, B, END, usage(5, 200), DONE], *TWO, (5, ABSENT, 200)),
    Recorded("usage, no number", "openai", [ROLE, A, B, END, usage_as({"completion_tokens": "2"}), DONE], *TWO),
    Recorded(
        "delta, null content and empty pieces",
        "openai",
        [chunk({"role": "assistant", "content": None}), said(""), A, chunk(), said(""), B, END, DONE],
        (3, 6),
        3,
        "ab",
    ),
    Recorded(
        "delta, old function call",
        "openai",
        [
            ROLE,
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": "{}"}}),
            chunk({}, "function_call"),
            DONE,
        ],
        (2, 3),
        2,
    ),
    Recorded(
        "delta, text and then a tool call",
        "openai",
        [ROLE, A, tool("", "find"), tool("{}"), chunk({}, "tool_calls"), DONE],
        (2, 3, 4),
        2,
        "a",
    ),
    Recorded(
        "delta, escapes and signs of other planes",
        "openai",
        [ROLE, said('"'), said("\\"), said("\n"), said("\U0001f600"), said("\u2028"), END, DONE],
        (2, 3, 4, 5, 6),
        2,
        '"\\\n\U0001f600\u2028',
    ),
    Recorded("delta, of 100,000 letters", "openai", [ROLE, said("x" * 100_000), END, DONE], (2,), 2, "x" * 100_000),
    Recorded("finish, length", "openai", [ROLE, A, said("b", "length"), DONE], *TWO),
    Recorded("finish, cancelled", "openai", [ROLE, A, chunk({}, "cancelled"), DONE], error="cancelled"),
    Recorded(
        "json, over lines of which one begins and ends like an object",
        "openai",
        [ROLE, b'data: {"choices":[{"index":0,"delta":{"content":"a"}}\ndata: ]}\n\n', B, END, DONE],
        *TWO,
    ),
    Recorded(
        "json, with an infinity",
        "openai",
        [ROLE, A, chunk({"content": "b"}, logprobs={"content": [{"token": "b", "logprob": -math.inf}]}), END, DONE],
        *TWO,
    ),
    Recorded(
        "json, halves of a sign and escapes that look like one",
        "openai",
        [ROLE, said("\ud83d"), said("\ude00"), said("\\ud83d\U0001f600"), END, DONE],
        (2, 3, 4),
        2,
        "\ufffd\ufffd\\ud83d\U0001f600",
    ),
    Recorded("json, no UTF-8", "openai", [ROLE, A.replace(b'"a"', b'"\xf0\x9f"'), DONE], error="no chat"),
    Recorded(
        "proxy, null for nothing",
        "openai",
        [b"data: null\n\n", ROLE, A, b"data: {}\n\n", B, END, DONE],
        (3, 5),
        3,
        "ab",
    ),
    Recorded("proxy, a ping as data", "openai", [data({"type": "ping"}), ROLE, A, B, END, DONE], (3, 4), 3, "ab"),
    Recorded("proxy, DONE as a text", "openai", [ROLE, A, B, b'data: "[DONE]"\n\n'], *TWO),
    Recorded("proxy, DONE and a blank", "openai", [ROLE, A, B, b"data: [DONE] \n\n"], *TWO),
    Recorded("proxy, usage after DONE", "openai", [ROLE, A, B, END, DONE, usage(5, 2), DONE], *TWO, (5, ABSENT, 2)),
    Recorded(
        "proxy, a document that is an error",
        "openai",
        [b'{"error": {"message": "no such model"}}'],
        error="no such model",
    ),
    Recorded(
        "proxy, a document over lines",
        "openai",
        [b'{\n "choices": [{"message": {"content": "whole"}}]\n}\n'],
        error='first token: { "choices"',
    ),
    Recorded(
        "proxy, lines of JSON", "openai", [b'{"message":{"content":"a"},"done":false}\n'], error='token: {"message"'
    ),
    Recorded("finish, the text null", "openai", [ROLE, said("a", "null"), said("b", "null")], error="was cut"),
    Recorded(
        "finish, empty until the end",
        "openai",
        [chunk({"role": "assistant"}, ""), said("a", ""), said("b", "stop")],
        *TWO,
    ),
    Recorded(
        "openrouter, encrypted reasoning",
        "openai",
        [ROLE, chunk({"content": "", "reasoning_details": [{"data": "e"}]}), B, END, DONE],
        (2, 3),
        3,
        "b",
    ),
    Recorded(
        "delta, a tool call that ends with nothing",
        "openai",
        [ROLE, tool("", "f"), tool("{}"), tool(""), chunk({}, "tool_calls"), DONE],
        (2, 3),
        2,
    ),
    Recorded(
        "delta, an error inside a choice",
        "openai",
        [ROLE, A, data({"choices": [{"index": 0, "delta": {}, "error": {"message": "worker lost"}}]})],
        error="worker lost",
    ),
    Recorded(
        "completions, two choices in turn",
        "openai-completions",
        [
            data({"choices": [{"index": 0, "text": ""}]}),
            data({"choices": [{"index": 1, "text": "b", "logprobs": {"tokens": ["b"]}}]}),
            data({"choices": [{"index": 0, "text": "a"}, {"index": 1, "text": "c", "finish_reason": "length"}]}),
            data({"choices": [{"index": 0, "text": "", "finish_reason": "length"}]}),
            DONE,
        ],
        (2, 3, 3),
        2,
        "bac",
    ),
    Recorded(
        "anthropic, the prompt counted at the start only",
        "anthropic",
        [
            named({"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}}),
            block("text_delta", text="a"),
            block("signature_delta", signature="s"),
            message_end(input_tokens=0, output_tokens=9),
            named({"type": "message_stop"}),
        ],
        (2,),
        2,
        "a",
        (25, ABSENT, 9),
    ),
    Recorded(
        "anthropic, the prompt counted at the end only",
        "anthropic",
        [
            named({"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}}),
            block("text_delta", text="a"),
            message_end(input_tokens=20, cache_read_input_tokens=5, output_tokens=9),
            named({"type": "message_stop"}),
        ],
        (2,),
        2,
        "a",
        (25, 5, 9),
    ),
    Recorded(
        "anthropic, error in the middle",
        "anthropic",
        [
            block("text_delta", text="a"),
            named({"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}),
        ],
        error="Internal server error",
    ),
    Recorded(
        "responses, the whole of it at the end",
        "openai-responses",
        [
            named({"type": "response.created", "response": {"status": "in_progress", "output": []}}),
            response("completed", usage={"input_tokens": 3, "output_tokens": 1}),
        ],
        (2,),
        2,
        "ok",
        (3, ABSENT, 1),
    ),
    Recorded(
        "responses, pieces and the whole of it at the end",
        "openai-responses",
        [
            named({"type": "response.output_text.delta", "delta": "ok"}),
            response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        ],
        (1,),
        1,
        "ok",
    ),
    Recorded(
        "responses, error event",
        "openai-responses",
        [
            named({"type": "response.output_text.delta", "delta": "o"}),
            named({"type": "error", "code": "server_error", "message": "went wrong", "param": None}),
        ],
        error="went wrong",
    ),
    Recorded("groq, usage of its own", "openai", [ROLE, A, B, chunk({}, "stop", x_groq={"usage": {}}), DONE], *TWO),
]
STREAMS = [
    *OPENAI, *AZURE, *VLLM, *SGLANG, *LLAMACPP, *TGI, *OLLAMA, *TENSORRT, *DEEPSEEK, *OPENROUTER, *MISTRAL, *GEMINI,
    *ANTHROPIC, *RESPONSES, *QUIRKS,
]  # fmt: skip
