"""Serves one ONNX model with Triton through PyTriton."""

import os

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

env = os.environ
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(env["THREADS"])
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(env["MODEL_FILE"], options)
model_input, model_output = session.get_inputs()[0], session.get_outputs()[0]


@batch
def infer(**inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The model's outputs for a batch."""
    return {"output": session.run(None, {model_input.name: inputs["input"]})[0]}


config = TritonConfig(
    http_address="127.0.0.1",
    http_port=int(env["HTTP_PORT"]),
    grpc_address="127.0.0.1",
    grpc_port=int(env["GRPC_PORT"]),
    metrics_port=int(env["METRICS_PORT"]),
    metrics_address="127.0.0.1",
)
waiting_us = round(float(env["BATCH_WAIT_MS"]) * 1000)
with Triton(config=config) as triton:
    triton.bind(
        model_name=env["MODEL_NAME"],
        infer_func=infer,
        inputs=[Tensor(name="input", dtype=np.float32, shape=tuple(model_input.shape[1:]))],
        outputs=[Tensor(name="output", dtype=np.float32, shape=tuple(model_output.shape[1:]))],
        config=ModelConfig(
            max_batch_size=int(env["BATCH_SIZE"]),
            batcher=DynamicBatcher(max_queue_delay_microseconds=waiting_us),
        ),
        strict=True,
    )
    triton.serve()
