"""The reference model behind FastAPI and uvicorn (uvloop, httptools): a model call per request."""

import sys

import uvicorn
from common import answer_of, open_engine, row_of
from fastapi import FastAPI, Request, Response

engine = open_engine()
app = FastAPI()


@app.post("/inference")
async def infer(request: Request):
    answer = engine.predict(row_of(await request.body())[None])
    return Response(answer_of(answer[0]), media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
