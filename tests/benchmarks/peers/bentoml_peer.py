"""The reference model behind BentoML, with its adaptive batching. It takes JSON of its own form only.

`python -m bentoml serve bentoml_peer:Inference --port PORT` runs it.
"""

import bentoml
import numpy as np
from common import BATCH_SIZE, open_engine


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 100_000})
class Inference:
    def __init__(self):
        self.engine = open_engine()

    @bentoml.api(batchable=True, max_batch_size=BATCH_SIZE, max_latency_ms=60_000)
    def inference(self, rows: np.ndarray) -> np.ndarray:
        return self.engine.predict(np.asarray(rows, np.float32))
