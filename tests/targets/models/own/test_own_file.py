"""Models of the user's own as Keras and ONNX files: their shapes, their payloads, their own predictions."""

import numpy as np
import pytest

from harness.errors import UserError
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan
from harness.plan.plan_draft import Draft, file_setting, make_plan, model_knob
from harness.plan.scenario import Scenario
from harness.plan.target_spec import knobs_for
from harness.run.tune_plan import TuneGoal, make_tune_plan, space_of
from harness.wire.payload_bank import Bank
from targets import TARGETS
from targets.engines import EngineOptions
from targets.engines.catalog import find_engine
from targets.engines.onnx import OnnxEngine
from targets.engines.quiet_import import import_tensorflow
from targets.models.catalog import find_recipe
from targets.preparation import no_progress, prepare


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def onnx_file(path, *, shape=("batch", 3), outputs=1, kind="float", more="", result=None):
    """Twice the input, written without any of our code."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    dtype = {"float": TensorProto.FLOAT, "int64": TensorProto.INT64, "string": TensorProto.STRING}[kind]
    given = helper.make_tensor_value_info("x", dtype, shape)
    results = [helper.make_tensor_value_info(f"y{number}", dtype, result or shape) for number in range(outputs)]
    op = "Identity" if kind == "string" else "Add"
    nodes = [
        helper.make_node(op, ["x"] if kind == "string" else ["x", "x"], [f"y{number}"]) for number in range(outputs)
    ]
    others = [helper.make_tensor_value_info(name, dtype, shape) for name in more]
    graph = helper.make_graph(nodes, "g", [given, *others], results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return str(path)


@pytest.mark.process
@pytest.mark.parametrize(("kind", "datatype"), [("float", "FP32"), ("int64", "INT64")])
def test_an_onnx_file_says_what_it_takes_and_its_own_predictions_are_expected(tmp_path, kind, datatype):
    prepared = prepare(onnx_file(tmp_path / "twice.onnx", kind=kind), no_progress)
    bank = Bank.load(prepared.bank_path)
    assert (bank.meta.model, bank.meta.datatype, bank.meta.input_shape) == ("twice", datatype, (3,))
    np.testing.assert_allclose(bank.expected, 2 * bank.inputs)
    assert prepared.path.suffix == ".onnx"
    assert find_recipe(str(tmp_path / "twice.onnx")).input_shape == (3,)


@pytest.mark.process
def test_arrays_beside_the_file_are_its_payloads_and_labels_give_its_accuracy(tmp_path):
    path = onnx_file(tmp_path / "twice.onnx")
    inputs = np.eye(3, dtype=np.float32)
    np.savez(tmp_path / "twice.npz", inputs=inputs, labels=[0, 1, 0])
    prepared = prepare(path, no_progress)
    assert prepared.card.test_accuracy == pytest.approx(2 / 3)
    np.testing.assert_array_equal(Bank.load(prepared.bank_path).inputs, inputs)
    np.savez(tmp_path / "twice.npz", inputs=np.ones((2, 4)))
    with pytest.raises(UserError, match=r"its inputs are \(4,\).*the model takes \(3,\)"):
        prepare(path, no_progress)


@pytest.mark.process
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": (4, 3), "result": (3, 4)}, "no axis is that of the batch; export it with a free batch axis"),
        ({"shape": ("batch", "any")}, "leaves sizes open"),
        ({"more": "z"}, r"takes 2 inputs \(x, z\).*--target"),
        ({"kind": "string"}, "takes string"),
    ],
)
def test_a_file_that_cannot_be_served_is_refused_by_name(tmp_path, changes, says):
    with pytest.raises(UserError, match=says):
        prepare(onnx_file(tmp_path / "odd.onnx", **changes), no_progress)


@pytest.mark.process
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_with_a_fixed_batch_axis_is_served_in_calls_of_that_size(tmp_path, engine, batch):
    if find_engine(engine).missing():
        pytest.skip(f"{engine} is not installed")
    prepared = prepare(onnx_file(tmp_path / "twice.onnx", shape=(batch, 5)), no_progress)
    bank = Bank.load(prepared.bank_path)
    assert bank.meta.input_shape == (5,)
    np.testing.assert_allclose(bank.expected, 2 * bank.inputs)
    opened = find_engine(engine).open(prepared.path, EngineOptions(input_shape=(5,)))
    for count in (1, 2, 3, 7):
        np.testing.assert_allclose(opened.predict(bank.inputs[:count]), bank.expected[:count], rtol=1e-6)


def classifier_file(path):
    """A label and probabilities, in the order of scikit-learn's converters."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", 3])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])
    chances = helper.make_tensor_value_info("chances", TensorProto.DOUBLE, ["n", 3])
    nodes = [
        helper.make_node("Softmax", ["x"], ["chances"]),
        helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(nodes, "g", [given], [label, chances])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return str(path)


@pytest.mark.process
def test_a_classifier_with_a_label_and_probabilities_gives_its_probabilities(tmp_path):
    path = classifier_file(tmp_path / "c.onnx")
    np.savez(tmp_path / "c.npz", inputs=np.eye(3), labels=[0, 1, 2])
    prepared = prepare(path, no_progress)
    bank = Bank.load(prepared.bank_path)
    assert (bank.meta.datatype, bank.meta.output_shape, prepared.card.test_accuracy) == ("FP64", (3,), 1.0)
    engine = OnnxEngine(prepared.path, EngineOptions(input_shape=(3,)))
    np.testing.assert_allclose(engine.predict(bank.inputs), bank.expected, rtol=1e-6)
    assert engine.predict(bank.inputs).dtype == np.float32


@pytest.mark.process
def test_sizes_that_a_file_leaves_open_are_those_of_the_inputs_beside_it(tmp_path):
    path = onnx_file(tmp_path / "open.onnx", shape=("batch", "any"))
    np.savez(tmp_path / "open.npz", inputs=np.ones((4, 7), np.float32))
    assert Bank.load(prepare(path, no_progress).bank_path).meta.input_shape == (7,)


@pytest.mark.process
def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"bad\.onnx: ONNX Runtime cannot load it"):
        prepare(str(tmp_path / "bad.onnx"), no_progress)
    with pytest.raises(UserError, match="no such file"):
        prepare(str(tmp_path / "none.keras"), no_progress)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.slow
def test_a_keras_file_is_served_by_its_shapes(tmp_path):
    import_tensorflow()
    import keras

    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.save(tmp_path / "mine.keras")
    prepared = prepare(str(tmp_path / "mine.keras"), no_progress)
    bank = Bank.load(prepared.bank_path)
    assert (bank.meta.input_shape, bank.meta.output_shape, prepared.card.parameters) == ((2, 3), (4,), 28)
    np.testing.assert_allclose(bank.expected, model(bank.inputs).numpy(), rtol=1e-5)


def test_an_onnx_file_is_run_by_onnx_runtime_and_is_a_legal_value_of_the_knob_model():
    spec = TARGETS["batched"]
    assert file_setting(spec, knobs_for(spec, "a/b.onnx")) == {"engine": "onnxruntime"}
    assert file_setting(spec, knobs_for(spec, "a/b.keras")) == file_setting(spec, spec.knobs) == {}
    assert spec.serves("a/b.onnx")
    assert not TARGETS["null"].serves("a/b.onnx")
    assert "b.onnx" in model_knob("digits-mlp", spec, ["model=digits-mlp,b.onnx"]).choices
    assert spec.rivals("b.onnx") == ("b.onnx",)


def drafted(*words, model="a/b.onnx", budget_s=600.0):
    spec = TARGETS["batched"]
    load = LoadSettings(warmup_s=0.5, measure_s=2.0)
    plan = Plan(target="batched", scenario="scenarios/predict.py", model=model, budget_seconds=budget_s, load=load)
    return Draft(plan=plan, spec=spec, words=words, concurrency=(8,))


def test_tune_starts_with_an_engine_that_runs_the_file_and_tries_no_other():
    plan = make_tune_plan(drafted("batch_size=1,32", "engine"), Scenario(), TuneGoal())
    assert plan.points[0].setting == {"batch_size": 32, "engine": "onnxruntime"}
    assert plan.tune.values["engine"] == ("onnxruntime", "openvino")
    assert plan.fixed == {}
    assert len(space_of(plan)) == plan.tune.settings == 2 * 2
    keras = make_tune_plan(drafted("batch_size=1,32", "engine", model="a/b.keras"), Scenario(), TuneGoal())
    assert keras.tune.settings > 4


def test_a_sweep_leaves_out_the_engines_that_cannot_run_the_file():
    plan = make_plan(drafted("engine=xla,onnxruntime,openvino"))
    assert [point.setting["engine"] for point in plan.points] == ["onnxruntime", "openvino"]
    assert plan.left_out == ("engine=xla: it cannot run an .onnx file; choose onnxruntime or openvino",)
    assert {point.setting["engine"] for point in make_plan(drafted("engine")).points} == {"onnxruntime", "openvino"}
    with pytest.raises(UserError, match=r"engine=xla: it cannot run an \.onnx file"):
        make_plan(drafted("engine=xla"))


def test_a_budget_lasts_for_the_default_another_setting_and_fresh_trials_of_both():
    # Six trials of 0.5 + 2 + 1 s, and the first start of 10 s.
    live = "batch_size=1,32"
    with pytest.raises(UserError, match=r"--budget 30s: the default, one other setting .* take about 31 s"):
        make_tune_plan(drafted(live, budget_s=30.0), Scenario(), TuneGoal())
    assert make_tune_plan(drafted(live, budget_s=31.0), Scenario(), TuneGoal()).budget_seconds == 31.0
    # Four starts more: of the other setting, of the first in the final, and one in each of its two rounds.
    with pytest.raises(UserError, match="take about 71 s"):
        make_tune_plan(drafted(live, "engine", budget_s=70.0), Scenario(), TuneGoal())
