"""Serves one ONNX model with FastAPI: plain JSON in, plain JSON out."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ["THREADS"])
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)
model_input = session.get_inputs()[0]


@asynccontextmanager
async def sized_pool(app: FastAPI) -> AsyncIterator[None]:
    """Set the number of threads that run plain functions as handlers."""
    del app
    anyio.to_thread.current_default_thread_limiter().total_tokens = int(os.environ["POOL"])
    yield


app = FastAPI(lifespan=sized_pool)


class PredictRequest(BaseModel):
    """The body of a request: rows (n, *item)."""

    inputs: list[list[float]]


@app.get("/health")
def health() -> dict[str, bool]:
    """Report ready; the model was loaded at import."""
    return {"ready": True}


@app.post("/predict")
def predict(request: PredictRequest) -> dict[str, list[list[float]]]:
    """Predict one output per row."""
    try:
        rows = np.asarray(request.inputs, np.float32).reshape(-1, *model_input.shape[1:])
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return {"outputs": session.run(None, {model_input.name: rows})[0].tolist()}
