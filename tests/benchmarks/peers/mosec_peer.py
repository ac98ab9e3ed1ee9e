"""The reference model behind mosec, with its dynamic batching. Runs in mosec's own environment.

Codecs are orjson's, or mosec's own where BENCH_CODEC=own.
"""

import os

import numpy as np
from common import BATCH_SIZE, SHAPE, answer_of, open_engine, row_of
from mosec import Server, Worker


class Inference(Worker):
    def __init__(self):
        super().__init__()
        self.engine = open_engine()

    def deserialize(self, data):
        return row_of(data)

    def serialize(self, data):
        return answer_of(data)

    def forward(self, data):
        return list(self.engine.predict(np.stack(data)))


class OwnCodec(Worker):
    """What mosec gives who writes only `forward`: the standard library's JSON."""

    def __init__(self):
        super().__init__()
        self.engine = open_engine()

    def forward(self, data):
        rows = [np.array(one["inputs"][0]["data"], np.float32).reshape(SHAPE) for one in data]
        return [{"outputs": [{"name": "output", "data": row.tolist()}]} for row in self.engine.predict(np.stack(rows))]


if __name__ == "__main__":
    server = Server()
    worker = OwnCodec if os.environ.get("BENCH_CODEC") == "own" else Inference
    server.append_worker(worker, num=1, max_batch_size=BATCH_SIZE, max_wait_time=1)
    server.run()
