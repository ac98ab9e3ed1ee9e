"""Sends several kinds of conversation to one language model at the same time. Copy this file and adapt it.

    python -m harness run --scenario assistants --target http://127.0.0.1:8000 --model llama --concurrency 16
    python -m harness sweep mix=chat,chat:70+documents:20+agents:10 --scenario assistants --target http://127.0.0.1:8000
    python -m harness capacity --scenario assistants --target http://127.0.0.1:8000

Each class sets options of its conversations (`chat`: turns, prompt_words or prompt_tokens, output_tokens, hang_up,
tool_pause, extra_body), its `model` (such as a LoRA adapter; by default that of `--model`), its `priority`, and its
objective (`slo`, by default that of the run). `mix` sets the weights of the classes: shares of conversations. The
report shows each class separately, and a setting keeps the objective where each class keeps its own.
"""

from typing import ClassVar

from harness.users import InferenceUser, RequestClass


class Assistants(InferenceUser):
    """Holds short chats, sends long documents, and lets agents call tools."""

    request_classes: ClassVar = {
        "chat": RequestClass(
            verb="chat",
            chat={"turns": "1-3", "prompt_words": "4-16", "output_tokens": "8-32"},
            slo="ttft_p99<500ms,itl_p99<50ms",
        ),
        "documents": RequestClass(
            verb="chat",
            chat={"prompt_words": "50-90", "output_tokens": "8-16"},
            priority=1,  # vLLM and SGLang serve lower numbers first, where they are started for priorities
            slo="ttft_p99<5s",
        ),
        "agents": RequestClass(
            verb="chat",
            chat={"turns": "2-4", "prompt_words": "4-12", "output_tokens": "4-12", "tool_pause": "50ms-200ms"},
            slo="ttft_p99<1s",
        ),
    }
    mix = "chat:70+documents:20+agents:10"
    default_model = "chat-gpt"
    default_options: ClassVar = {
        "target": "agent",
        "protocol": "openai",
        "slo": "ttft_p90<500ms,itl_p99<50ms",
        "seconds": "4s",
        "warmup": "1s",
        "timeout": "30s",
    }
