"""The thread knobs: which engine obeys which, and what ONNX Runtime makes of them."""

import pytest

from harness.errors import UserError
from targets import TARGETS
from targets.engines import EngineOptions
from targets.engines.onnx import OnnxEngine

KNOBS = TARGETS["batched"].knobs


@pytest.mark.parametrize(
    ("engine", "knob"),
    [("litert", "inter_op_threads"), ("openvino", "inter_op_threads")],
)
def test_more_threads_than_one_are_refused_where_the_engine_does_not_obey_their_number(engine, knob):
    assert KNOBS.conflict_in({"engine": engine, knob: 1}) is None
    with pytest.raises(UserError, match=f"{knob}=2: engine={engine} does not obey {knob}; leave it out"):
        KNOBS.complete({"engine": engine, knob: 2})


@pytest.mark.parametrize("engine", ["litert", "openvino", "onnxruntime", "concrete-function"])
def test_threads_inside_an_operation_are_obeyed(engine):
    assert KNOBS.conflict_in({"engine": engine, "intra_op_threads": 2}) is None


def test_jax_obeys_neither():
    for knob in ("intra_op_threads", "inter_op_threads"):
        assert KNOBS.conflict_in({"engine": "keras-jax", knob: 4}) == (
            f"{knob}=4: engine=keras-jax does not obey {knob}; leave it out"
        )


@pytest.mark.parametrize(("threads", "parallel"), [(0, False), (1, False), (3, True)])
def test_onnxruntime_runs_operations_in_parallel_where_more_than_one_thread_is_asked_for(tmp_path, threads, parallel):
    onnx = pytest.importorskip("onnx")
    import onnxruntime

    tensors = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", tensors[:1], tensors[1:])
    opset = [onnx.helper.make_opsetid("", 13)]
    file = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=opset), file)
    engine = OnnxEngine(file, EngineOptions(input_shape=(2,), inter_op_threads=threads))
    options = engine._session.get_session_options()
    modes = onnxruntime.ExecutionMode
    assert options.execution_mode == (modes.ORT_PARALLEL if parallel else modes.ORT_SEQUENTIAL)
    if parallel:
        assert options.inter_op_num_threads == threads
