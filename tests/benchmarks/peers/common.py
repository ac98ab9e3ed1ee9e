"""What every peer shares: the engine of our catalog that executes the model, and the body it is asked with.

BENCH_ENGINE names the engine, BENCH_MODEL the `.keras` file, BENCH_SHAPE the input's shape as `32,32,3`.
"""

import os
import sys
from pathlib import Path

import numpy as np
import orjson

SHAPE = tuple(int(size) for size in os.environ["BENCH_SHAPE"].split(","))
BATCH_SIZE = 64
WARM_SIZES = (1, 2, 4, 8, 16, 32, 64)
BATCH_WAIT_S = 0.001  # where a peer has no "take what is there"


def open_engine():
    """The warm engine, on one thread."""
    sys.modules["jax"] = None  # TensorFlow imports it where it finds it; it may not suit the peer's NumPy
    from targets.engines import EngineOptions
    from targets.engines.catalog import find_engine

    options = EngineOptions(input_shape=SHAPE, intra_op_threads=1, inter_op_threads=1)
    engine = find_engine(os.environ["BENCH_ENGINE"]).open(Path(os.environ["BENCH_MODEL"]), options)
    for rows in WARM_SIZES:
        engine.predict(np.zeros((rows, *SHAPE), np.float32))
    return engine


def row_of(body):
    """The one row of a body: raw float32, or the Open Inference Protocol's JSON."""
    if not body.startswith(b"{"):
        return np.frombuffer(body, np.float32).reshape(SHAPE)
    return np.array(orjson.loads(body)["inputs"][0]["data"], np.float32).reshape(SHAPE)


def answer_of(row):
    """The answer to one row, as the protocol's JSON."""
    output = {"name": "output", "datatype": "FP32", "shape": [1, *row.shape], "data": row.ravel()}
    return orjson.dumps({"model_name": "m", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)
