"""The reference model behind mosec, with its dynamic batching and orjson. Runs in mosec's own environment.

BENCH_ENGINE names the engine of our catalog that executes the model, BENCH_MODEL the `.keras` file.
"""

import os
from pathlib import Path

import numpy as np
import orjson
from mosec import Server, Worker


class Inference(Worker):
    def __init__(self):
        super().__init__()
        from targets.engines import EngineOptions
        from targets.engines.catalog import find_engine

        options = EngineOptions(input_shape=(64,), intra_op_threads=1, inter_op_threads=1)
        self.engine = find_engine(os.environ["BENCH_ENGINE"]).open(Path(os.environ["BENCH_MODEL"]), options)
        for rows in (1, 2, 4, 8, 16, 32, 64):
            self.engine.predict(np.zeros((rows, 64), np.float32))

    def deserialize(self, data):
        return np.array(orjson.loads(data)["inputs"][0]["data"], np.float32)

    def serialize(self, data):
        output = {"name": "output", "datatype": "FP32", "shape": [1, 10], "data": data}
        return orjson.dumps({"model_name": "m", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)

    def forward(self, data):
        return list(self.engine.predict(np.stack(data)))


if __name__ == "__main__":
    server = Server()
    server.append_worker(Inference, num=1, max_batch_size=64, max_wait_time=1)
    server.run()
