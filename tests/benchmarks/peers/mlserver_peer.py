"""The reference model behind MLServer, with its adaptive batching, in its own process (no worker pool)."""

import asyncio
import sys

from common import BATCH_SIZE, BATCH_WAIT_S, SHAPE, open_engine
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceResponse


class Inference(MLModel):
    async def load(self):
        self.engine = open_engine()
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype("float32").reshape(-1, *SHAPE)
        output = NumpyCodec.encode_output("output", self.engine.predict(rows))
        return InferenceResponse(model_name=self.name, outputs=[output])


async def serve(port):
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 10_000 if port < 50_000 else port - 10_000,
        metrics_port=port + 10_001 if port < 50_000 else port - 10_001,
        parallel_workers=0,
        debug=False,
    )
    model = ModelSettings(
        name="m",
        implementation=Inference,
        parameters=ModelParameters(version="1"),
        max_batch_size=BATCH_SIZE,
        max_batch_time=BATCH_WAIT_S,
    )
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
