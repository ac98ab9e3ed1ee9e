"""The reference model behind FastAPI and uvicorn (uvloop, httptools), a model call per request, with orjson."""

import os
import sys
from pathlib import Path

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from targets.engines import EngineOptions
from targets.engines.catalog import find_engine

options = EngineOptions(input_shape=(64,), intra_op_threads=1, inter_op_threads=1)
engine = find_engine(os.environ["BENCH_ENGINE"]).open(Path(os.environ["BENCH_MODEL"]), options)
app = FastAPI()


@app.post("/inference")
async def infer(request: Request):
    values = orjson.loads(await request.body())["inputs"][0]["data"]
    answer = engine.predict(np.array(values, np.float32)[None])
    output = {"name": "output", "datatype": "FP32", "shape": [1, 10], "data": answer[0]}
    body = orjson.dumps({"model_name": "m", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
