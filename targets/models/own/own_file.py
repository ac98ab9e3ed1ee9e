"""Models of the user's own, as Keras or ONNX files: what they take and give is read from the file.

A model with one input is served like a reference model; of several outputs of an ONNX file, the first of fractions is.
Its payloads are the arrays `inputs` and perhaps `labels` of a file `NAME.npz` beside it, else seeded random items; its
expected responses are its own offline predictions.
Importing this imports no deep-learning library; `python -m targets.models.own.own_file MODEL FOLDER` does.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.record.model_card import ModelCard
from harness.wire.datatypes import DTYPES
from harness.wire.payload_bank import FREE, Bank, BankMeta
from harness.wire.tolerance import OF_DATATYPE
from targets.data.source import DataSource
from targets.engines.fixed_batch import in_batches_of
from targets.engines.onnx import served_output
from targets.models.cache import CacheEntry, sha256_of
from targets.models.maker_process import exit_code_of, run_maker
from targets.models.recipe import Recipe
from targets.preprocessing.pipeline import Pipeline, Views
from targets.preprocessing.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.target_spec import Progress

    Predict = Callable[[NDArray[Any]], NDArray[Any]]

CARD, BANK = "card.json", "bank.npz"
FORMAT = 2  # raise it when the content of the folder changes
ITEMS = 256
SEED = 7
ROWS_PER_CALL = 64
_KEY_CHARS = 16


def own_folder(name: str, progress: Progress) -> Path:
    """The folder with the model's copy, its card and its bank, made on first use. Raises UserError, RunError."""
    path = Path(name)
    if not path.is_file():
        raise UserError(f"--model {name}: no such file")

    def make(partial: Path) -> None:
        words = ["targets.models.own.own_file", str(path.resolve()), str(partial)]
        run_maker(f"reading {name}", words, progress, needs_tensorflow=path.suffix == ".keras")

    beside = path.with_suffix(".npz")
    key = sha256_of(path)[:_KEY_CHARS] + (f"-{sha256_of(beside)[:_KEY_CHARS]}" if beside.is_file() else "")
    return CacheEntry(f"own-{path.stem}-{key}-{FORMAT}", lambda line: print(line, file=sys.stderr)).ensure(make)


def own_card(name: str, folder: Path) -> ModelCard:
    """The card of the model in `folder`, under the name by which the user gave it."""
    return msgspec.structs.replace(msgspec.json.decode((folder / CARD).read_bytes(), type=ModelCard), name=name)


def own_recipe(name: str) -> Recipe:
    """The recipe of a model file: no training, no preprocessing. Raises UserError."""
    meta = Bank.load(own_folder(name, lambda *_: None) / BANK).meta
    spec = TensorSpec(datatype=meta.datatype, shape=meta.input_shape)
    views = Views(doc="none", apply=lambda _xp, batch, _number: batch, most=1)
    return Recipe(
        name=name,
        doc=f"the model in {name}",
        field=name,
        data=DataSource(name=name, doc="a model of your own", classes=(), files=tuple, load=_no_training),
        pipeline=Pipeline(raw=spec, ready=spec, steps=(), views=views),
        build=_no_training,
        epochs=0,
        batch_size=0,
    )


def _no_training() -> Any:
    raise UserError("--model: a model file is served as it is and cannot be trained here; give a reference model")


def make_folder(path: Path, folder: Path) -> None:
    """Write copy, card and bank of the model at `path` into `folder`. Raises UserError."""
    predict, meta, card = (_open_keras if path.suffix == ".keras" else _open_onnx)(path)
    inputs, labels = _payloads(path.with_suffix(".npz"), meta)
    import numpy as np

    starts = range(0, len(inputs), ROWS_PER_CALL)
    outputs = np.concatenate([predict(inputs[start : start + ROWS_PER_CALL]) for start in starts]).astype(np.float32)
    allowed = OF_DATATYPE["FP32"]
    meta = msgspec.structs.replace(
        meta, output_shape=outputs.shape[1:], tolerance=allowed.absolute, relative_tolerance=allowed.relative
    )
    Bank(meta, inputs, labels, outputs).save(folder / BANK)
    if len(labels) and outputs.ndim == 2:
        accuracy = float((outputs.argmax(axis=1) == labels).mean())
        card = msgspec.structs.replace(card, test_accuracy=accuracy, test_count=len(labels))
    (folder / CARD).write_bytes(msgspec.json.encode(msgspec.structs.replace(card, hash=sha256_of(path)[:_KEY_CHARS])))
    shutil.copyfile(path, folder / f"model{path.suffix}")


def _payloads(file: Path, meta: BankMeta) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """`inputs` (n, *input_shape) and `labels` (n,) of the file beside the model; random items without labels."""
    import numpy as np

    dtype = np.dtype(DTYPES[meta.datatype])
    none = np.zeros(0, np.int64)
    if not file.is_file():
        items = np.random.default_rng(SEED).random((ITEMS, *meta.input_shape), dtype=np.float32)
        return (items if dtype.kind == "f" else np.round(items)).astype(dtype), none
    with np.load(file, allow_pickle=False) as parts:
        inputs, labels = parts["inputs"], parts.get("labels", none)
    if inputs.shape[1:] != meta.input_shape or len(labels) not in (0, len(inputs)):
        raise UserError(f"{file}: its inputs are {inputs.shape[1:]} and its labels {labels.shape}, but the model takes "
                        f"{meta.input_shape}, and a label belongs to each input")  # fmt: skip
    return inputs.astype(dtype), labels.astype(np.int64)


def _open_keras(path: Path) -> tuple[Predict, BankMeta, ModelCard]:
    from targets.engines.quiet_import import import_tensorflow

    import_tensorflow()
    import keras

    try:
        model: keras.Model = keras.models.load_model(path, compile=False)
    except Exception as error:
        raise UserError(f"--model {path.name}: Keras cannot load it ({error})") from error
    _require_one_input(path, [each.name for each in model.inputs])
    if len(model.outputs) > 1:
        raise UserError(f"--model {path.name}: it gives {len(model.outputs)} outputs; save it with one")
    shape = tuple(FREE if size is None else int(size) for size in model.inputs[0].shape[1:])
    meta = _meta(path, shape, str(model.inputs[0].dtype))
    card = ModelCard(name=path.stem, parameters=int(model.count_params()), data="a model of your own")
    return (lambda batch: model(batch, training=False).numpy()), meta, card


def _open_onnx(path: Path) -> tuple[Predict, BankMeta, ModelCard]:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"--model {path.name}: onnxruntime is missing; pip install 'sweepspot[onnx]'") from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"--model {path.name}: ONNX Runtime cannot load it ({error})") from error
    given, output = session.get_inputs(), served_output(session)
    _require_one_input(path, [each.name for each in given])
    batch = given[0].shape[0] if given[0].shape else 0
    gives = next(each.shape for each in session.get_outputs() if each.name == output)
    if isinstance(batch, int) and list(gives[:1]) != [batch]:
        raise UserError(f"--model {path.name}: it takes {given[0].shape} and gives {gives}, and no axis is that of the "
                        "batch; export it with a free batch axis")  # fmt: skip
    shape = tuple(size if isinstance(size, int) else FREE for size in given[0].shape[1:])
    kind = given[0].type.removeprefix("tensor(").removesuffix(")").replace("float16", "half")
    meta = _meta(path, shape, {"float": "float32", "double": "float64", "half": "float16"}.get(kind, kind))
    card = ModelCard(name=path.stem, data="a model of your own")

    def predict(items: NDArray[Any]) -> NDArray[Any]:
        outputs: NDArray[Any] = session.run([output], {given[0].name: items})[0]
        return outputs

    return (partial(in_batches_of, batch, predict) if isinstance(batch, int) else predict), meta, card


def _require_one_input(path: Path, names: Sequence[str]) -> None:
    if len(names) != 1:
        listed = ", ".join(names)
        raise UserError(f"--model {path.name}: it takes {len(names)} inputs ({listed}), and one can be served here; "
                        "serve it with a server of your own, and give that with --target")  # fmt: skip


def _meta(path: Path, shape: tuple[int, ...], dtype: str) -> BankMeta:
    import numpy as np

    known = {np.dtype(each): name for name, each in DTYPES.items()}
    try:
        datatype = known[np.dtype(dtype)]
    except (KeyError, TypeError) as error:
        raise UserError(f"--model {path.name}: it takes {dtype}, which is no number of one size") from error
    beside = path.with_suffix(".npz")
    if FREE in shape and beside.is_file():
        with np.load(beside, allow_pickle=False) as parts:
            shape = parts["inputs"].shape[1:]
    if FREE in shape:
        raise UserError(f"--model {path.name}: its input {shape} leaves sizes open; export it with fixed ones, or "
                        f"write `inputs` of the sizes that you mean to {beside.name} beside it")  # fmt: skip
    return BankMeta(model=path.stem, datatype=datatype, input_shape=shape, output_shape=())


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: make_folder(Path(sys.argv[1]), Path(sys.argv[2]))))
