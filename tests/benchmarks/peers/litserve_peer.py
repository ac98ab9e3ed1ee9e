"""The reference model behind LitServe, with its dynamic batching. It takes JSON only."""

import sys

import litserve
import numpy as np
from common import BATCH_SIZE, BATCH_WAIT_S, SHAPE, open_engine


class Api(litserve.LitAPI):
    def setup(self, device):
        self.engine = open_engine()

    def decode_request(self, request):
        return np.array(request["inputs"][0]["data"], np.float32).reshape(SHAPE)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        return self.engine.predict(x)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"outputs": [{"name": "output", "data": output.tolist()}]}


if __name__ == "__main__":
    api = Api(max_batch_size=BATCH_SIZE, batch_timeout=BATCH_WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", generate_client_file=False)
