"""Serves one ONNX model with LitServe."""

import os
import sys
from typing import Any

import litserve
import numpy as np
import onnxruntime

BATCH_SIZE = int(os.environ["BATCH_SIZE"])


class LitServeModel(litserve.LitAPI):
    """Predicts one row per request; LitServe stacks the rows of a batch."""

    def setup(self, device: str) -> None:
        del device
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)
        self.model_input = self.session.get_inputs()[0]

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.asarray(request["input"], np.float32).reshape(self.model_input.shape[1:])

    def predict(self, x: np.ndarray) -> np.ndarray:
        rows = x if BATCH_SIZE > 1 else x[None]
        outputs = self.session.run(None, {self.model_input.name: rows})[0]
        return outputs if BATCH_SIZE > 1 else outputs[0]

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"output": output.tolist()}


if __name__ == "__main__":
    api = LitServeModel(max_batch_size=BATCH_SIZE, batch_timeout=float(os.environ["BATCH_WAIT_MS"]) / 1000)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
