"""How fast does a language model generate tokens, and for how many conversations at once?

    python -m harness sweep max_sequences --scenario scenarios/agent.py
    python -m harness sweep scheduling --scenario scenarios/agent.py --slo 'ttft_p99<500ms,itl_p99<50ms'
    python -m harness run --scenario scenarios/agent.py --target http://127.0.0.1:8080 --model llama --concurrency 4
    locust -f scenarios/agent.py --headless -u 16 -r 16 --measure 10s

Users hold conversations of --turns turns, each of which sends the conversation so far; responses are streamed. The
target is any server of OpenAI's chat completions, by default the embedded `agent`, whose greedy responses to opening
lines are compared with the model's offline continuations.
"""

from typing import ClassVar

from harness.users import InferenceUser, RequestClass


class Agent(InferenceUser):
    """Holds one conversation after the other."""

    request_classes: ClassVar = {"chat": RequestClass(verb="chat")}
    default_model = "chat-gpt"
    default_options: ClassVar = {
        "target": "agent",
        "protocol": "openai",
        "slo": "ttft_p90<500ms,itl_p99<50ms",
        "seconds": "4s",
        "warmup": "1s",
        "timeout": "30s",
    }
