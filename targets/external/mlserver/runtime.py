"""An MLServer runtime for ONNX models."""

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor


class OnnxRuntime(MLModel):
    """Runs a model with one input and one output."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        model_input, model_output = self.session.get_inputs()[0], self.session.get_outputs()[0]
        self.inputs = [MetadataTensor(name="input", datatype="FP32", shape=[-1, *model_input.shape[1:]])]
        self.outputs = [MetadataTensor(name="output", datatype="FP32", shape=[-1, *model_output.shape[1:]])]
        self.model_input = model_input
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        outputs = self.session.run(None, {self.model_input.name: rows.reshape(-1, *self.model_input.shape[1:])})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", outputs)])
