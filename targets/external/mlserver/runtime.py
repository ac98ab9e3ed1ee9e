"""A runtime of MLServer that runs an ONNX model."""

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor


class OnnxRuntime(MLModel):
    """One input, one output."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        given, answer = self.session.get_inputs()[0], self.session.get_outputs()[0]
        self.inputs = [MetadataTensor(name="input", datatype="FP32", shape=[-1, *given.shape[1:]])]
        self.outputs = [MetadataTensor(name="output", datatype="FP32", shape=[-1, *answer.shape[1:]])]
        self.given = given
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        answers = self.session.run(None, {self.given.name: rows.reshape(-1, *self.given.shape[1:])})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", answers)])
