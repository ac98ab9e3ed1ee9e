"""Serves one ONNX model with mosec at the path of the Open Inference Protocol."""

import os
from typing import Any

import numpy as np
import onnxruntime
import orjson
from mosec import Server, ValidationError, Worker

NAME = os.environ["MODEL_NAME"]
BATCH_SIZE = int(os.environ["BATCH_SIZE"])


class MosecModel(Worker):
    """Decodes and encodes the protocol's JSON; mosec passes a list of requests."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)
        self.input = self.session.get_inputs()[0]
        self.run([np.zeros(self.input.shape[1:], np.float32)])
        print("ready with the model", flush=True)

    def deserialize(self, data: bytes) -> np.ndarray:
        try:
            row = np.asarray(orjson.loads(data)["inputs"][0]["data"], np.float32)
            return row.reshape(self.input.shape[1:])
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ValidationError(f"not a request of the Open Inference Protocol: {error}") from error

    def run(self, rows: list[np.ndarray]) -> list[Any]:
        return list(self.session.run(None, {self.input.name: np.stack(rows)})[0])

    def forward(self, data: Any) -> Any:
        return (
            self.run(data) if BATCH_SIZE > 1 else self.run([data])[0]
        )  # without batching mosec passes a single request

    def serialize(self, data: np.ndarray) -> bytes:
        output = {"name": "output", "datatype": "FP32", "shape": [1, *data.shape], "data": data.reshape(-1)}
        return orjson.dumps({"model_name": NAME, "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)


if __name__ == "__main__":
    from mosec import Runtime

    server = Server()
    runtime = Runtime(
        MosecModel,
        num=int(os.environ["WORKERS"]),
        max_batch_size=BATCH_SIZE,
        max_wait_time=int(os.environ["BATCH_WAIT_MS"]),
    )
    server.register_runtime({f"/v2/models/{NAME}/infer": [runtime]})
    server.run()
