"""The reference model behind Ray Serve, with `@serve.batch`."""

import logging
import sys
import time

import numpy as np
import ray
from common import BATCH_SIZE, BATCH_WAIT_S, answer_of, open_engine, row_of
from ray import serve
from starlette.responses import Response


@serve.deployment(num_replicas=1, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
class Inference:
    def __init__(self):
        self.engine = open_engine()

    @serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=BATCH_WAIT_S)
    async def infer(self, rows):
        return list(self.engine.predict(np.stack(rows)))

    async def __call__(self, request):
        answer = await self.infer(row_of(await request.body()))
        return Response(answer_of(answer), media_type="application/json")


if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Inference.bind(), route_prefix="/inference")
    while True:
        time.sleep(1)
