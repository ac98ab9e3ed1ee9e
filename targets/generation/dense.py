"""The dense layers of the language model as ONNX graphs: one call covers everything between two attentions.

Measured on one core at width 128: 16 rows cost 2.6 times one row here, and 6.6 times one row in NumPy, which packs
the weights in every call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from targets.generation.recipe import DecoderShape

EPSILON = 1e-6
OPSET = 18
IR_VERSION = 10


def dense_sessions(shape: DecoderShape, weights: dict[str, NDArray[np.float32]]) -> list[InferenceSession]:
    """Build `layers + 1` sessions.

    The first maps `x` (n, width) to the queries, keys and values of layer 0. Each later one maps `x` and `mixed`, the
    output of attention, to those of the next layer (after the last layer: to logits) and to the new `x`.
    """
    first = _Graph()
    first.finish(first.norm("x"), weights["attend0"])
    sessions = [first.session(shape.width)]
    for layer in range(shape.layers):
        graph = _Graph()
        x = graph.add("x", graph.product("mixed", weights[f"mix{layer}"]))
        hidden = graph.node("Relu", graph.product(graph.norm(x), weights[f"widen{layer}"]))
        x = graph.node("Add", x, graph.product(hidden, weights[f"narrow{layer}"]), name="x_out")
        after = weights["embedding"].T if layer == shape.layers - 1 else weights[f"attend{layer + 1}"]
        graph.finish(graph.norm(x), after)
        sessions.append(graph.session(shape.width, "mixed", carries=True))
    return sessions


class _Graph:
    """Builds one ONNX graph: names the nodes and collects them with their constants."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._columns = 0

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = name or f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def add(self, left: str, right: str) -> str:
        return self.node("Add", left, right)

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def product(self, x: str, weight: NDArray[np.float32]) -> str:
        return self.node("MatMul", x, self.constant(weight.astype(np.float32)))

    def norm(self, x: str) -> str:
        square = self.node("Mul", x, x)
        mean = self.node("ReduceMean", square, self.constant(np.array([-1], np.int64)), keepdims=1)
        root = self.node("Sqrt", self.add(mean, self.constant(np.array(EPSILON, np.float32))))
        return self.node("Div", x, root)

    def finish(self, x: str, weight: NDArray[np.float32]) -> None:
        self._columns = weight.shape[1]
        self.node("MatMul", x, self.constant(weight.astype(np.float32)), name="projected")

    def session(self, width: int, *more_inputs: str, carries: bool = False) -> InferenceSession:
        """A session on one thread: a step is too short to gain from more."""
        import onnxruntime
        from onnx import TensorProto, helper

        def value(name: str, columns: int) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, columns])

        outputs = [value("projected", self._columns), *([value("x_out", width)] if carries else [])]
        inputs = [value(name, width) for name in ("x", *more_inputs)]
        graph = helper.make_graph(self._nodes, "dense", inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
