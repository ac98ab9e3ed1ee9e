"""The reference model behind Triton, through PyTriton, with its dynamic batching (no delay: take what is there)."""

import sys

import numpy as np
from common import BATCH_SIZE, SHAPE, open_engine
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

if __name__ == "__main__":
    port = int(sys.argv[1])
    other = port + 10_000 if port < 50_000 else port - 10_000
    engine = open_engine()

    @batch
    def infer(**inputs):
        return [engine.predict(inputs["input"])]

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=port,
        grpc_address="127.0.0.1",
        grpc_port=other,
        metrics_address="127.0.0.1",
        metrics_port=other + 1,
        log_verbose=0,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="m",
            infer_func=infer,
            inputs=[Tensor(name="input", dtype=np.float32, shape=SHAPE)],
            outputs=[Tensor(name="output", dtype=np.float32, shape=(-1,))],
            config=ModelConfig(max_batch_size=BATCH_SIZE, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()
