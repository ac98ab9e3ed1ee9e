"""The protocol layer of all servers with a model: Open Inference Protocol and TensorFlow Serving REST, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from harness.wire.datatypes import DATATYPES
from targets.servers.http.guard import Guard
from targets.servers.http.responses import refusal
from targets.servers.http.routes import EXPLANATION, Action, ModelRoutes
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.open_inference import V2Decoder
from targets.servers.protocols.tf_serving import EXPLANATIONS, PREDICTIONS, SIGNATURE, TfsDecoder
from targets.servers.protocols.triton_documents import Batching, model_config, model_statistics
from targets.servers.protocols.wire_model import OUTPUT_DATATYPE, VERSION, explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets.explain import Explainer
    from targets.preprocessing.input_assembler import InputAssembler
    from targets.servers.protocols.inference import InferRequest
    from targets.servers.protocols.wire_model import WireModel
    from targets.servers.telemetry import Telemetry

SERVER_NAME = "sweepspot"
SERVER_VERSION = "2"
EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics"]


class ProtocolLayer:
    """Routes paths, decodes inference requests, and builds the documents of all other paths."""

    def __init__(self, model: WireModel, telemetry: Telemetry) -> None:
        self.model = model
        self.telemetry = telemetry
        self.routes = ModelRoutes(model.name)
        self._v2 = V2Decoder(model)
        self._tfs = TfsDecoder(model)
        self.batching = Batching(max_rows=1)
        self.guard = Guard()
        self.explainer: Explainer | None = None
        self.assembler: InputAssembler | None = None  # None: single requests are not preprocessed
        self._v2_explain = V2Decoder(explained(model))

    def decode(self, action: Action, body: bytes, json_length: int | None, max_rows: int) -> InferRequest:
        """Decode the inference request in `body`. Raises ProtocolError."""
        if action is Action.V2_INFER:
            return self.admitted(self._v2.decode(body, json_length, max_rows))
        if action in EXPLANATION:
            return self._explanation(action, body, json_length, max_rows)
        return self.admitted(self._tfs.decode(body, max_rows))

    def admitted(self, request: InferRequest) -> InferRequest:
        """Preprocess `request` where that is done per request, and return it."""
        if self.assembler is not None:
            self.assembler.admit(request)
        return request

    def _explanation(self, action: Action, body: bytes, json_length: int | None, max_rows: int) -> InferRequest:
        if self.explainer is None:
            raise ProtocolError(
                404, "this server has no explanations: start it with explain_method=integrated-gradients"
            )
        if action is Action.V2_EXPLAIN:
            request = self._v2_explain.decode(body, json_length, max_rows)
        else:
            request = self._tfs.decode(body, max_rows)
            request.form = EXPLANATIONS if request.form is PREDICTIONS else request.form
        request.steps = self.explainer.steps
        return request

    def refusal(self, error: ProtocolError) -> tuple[bytes, bytes]:
        """(status line and headers, body) of an error response."""
        return refusal(error)

    def document(self, action: Action, *, ready: bool) -> tuple[bytes, bytes]:
        """(content type, body) for a path that is not inference. Raises ProtocolError where the server is not ready."""
        if action is Action.METRICS:
            return self.telemetry.exposition()
        if action is Action.READY and not ready:
            raise ProtocolError(503, "the server is stopping, or one of its processes is being started again")
        return b"application/json", orjson.dumps(self._describe(action))

    def _describe(self, action: Action) -> dict[str, Any]:
        documents: dict[Action, Callable[[], dict[str, Any]]] = {
            Action.SERVER: lambda: {"name": SERVER_NAME, "version": SERVER_VERSION, "extensions": EXTENSIONS},
            Action.LIVE: lambda: {"live": True},
            Action.READY: lambda: {"name": self.model.name, "ready": True},
            Action.MODEL: self.v2_metadata,
            Action.MODEL_CONFIG: self.model_config,
            Action.MODEL_STATISTICS: self.model_statistics,
            Action.TFS_STATUS: _tfs_status,
            Action.TFS_METADATA: self._tfs_metadata,
        }
        return documents[action]()

    def v2_metadata(self) -> dict[str, Any]:
        """The model metadata of the Open Inference Protocol."""
        meta = self.model.meta
        return {
            "name": meta.model,
            "versions": [VERSION],
            "platform": self.model.platform,
            "inputs": [{"name": meta.input_name, "datatype": meta.datatype, "shape": [-1, *meta.input_shape]}],
            "outputs": [{"name": meta.output_name, "datatype": OUTPUT_DATATYPE, "shape": [-1, *meta.output_shape]}],
        }

    def model_config(self) -> dict[str, Any]:
        """The model's configuration in Triton's form."""
        return model_config(self.model, self.batching)

    def model_statistics(self) -> dict[str, Any]:
        """The model's statistics in Triton's form."""
        return model_statistics(self.model, [snapshot for _, snapshot in self.telemetry.snapshots()])

    def _tfs_metadata(self) -> dict[str, Any]:
        meta = self.model.meta
        signature = {
            "inputs": {meta.input_name: _tensor_info(meta.input_name, meta.input_shape, meta.datatype)},
            "outputs": {meta.output_name: _tensor_info(meta.output_name, meta.output_shape, OUTPUT_DATATYPE)},
            "method_name": "tensorflow/serving/predict",
        }
        return {
            "model_spec": {"name": meta.model, "signature_name": "", "version": VERSION},
            "metadata": {
                "signature_def": {"signature_def": {SIGNATURE: signature}},
                "platform": self.model.platform,  # no field of TensorFlow Serving's
            },
        }


def _tfs_status() -> dict[str, Any]:
    status = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": VERSION, "state": "AVAILABLE", "status": status}]}


def _tensor_info(name: str, shape: tuple[int, ...], datatype: str) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    dtype = DATATYPES[datatype].tensorflow
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": name}
