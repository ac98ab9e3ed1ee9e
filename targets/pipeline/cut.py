"""Cuts a Keras model into stages of about equal duration, by the measured time of its layers.

Runs as a separate process (`python -m targets.pipeline.cut MODEL STAGES FOLDER`), so that the process which listens
never imports TensorFlow. A model can be cut wherever later layers need exactly one float32 tensor of earlier layers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.clock import NS_PER_MS, monotonic_ns
from harness.errors import UserError
from harness.plan.process_layout import balance
from harness.wire.payload_bank import FREE, Bank
from targets.engines.quiet_import import import_tensorflow
from targets.models.catalog import find_recipe
from targets.models.maker_process import exit_code_of
from targets.preparation import no_progress, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

MEASURED_ROWS = 16
ROUNDS = 60
CHECKED_ROWS = 64


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A model in stages. Shapes are of one row; times are of one call with `MEASURED_ROWS` rows on one thread."""

    shapes: tuple[tuple[int, ...], ...]  # of the input, of each tensor between stages, of the output; FREE as in banks
    layers: tuple[tuple[str, ...], ...]  # the names of the layers of each stage
    stage_ms: tuple[float, ...]
    piece_ms: tuple[float, ...]  # of the smallest parts into which the model can be cut

    @property
    def stages(self) -> int:
        """The number of stages."""
        return len(self.stage_ms)


def stage_path(folder: Path, stage: int) -> Path:
    """The Keras file of stage `stage` (from 0)."""
    return folder / f"stage-{stage + 1}.keras"


def cut(model: keras.Model, batch: NDArray[Any], stages: int, folder: Path) -> Cut:
    """Write the stages of `model` to `folder`. `batch` (n, *item) are inputs for measuring and checking.

    Raises UserError where the model has too few parts, or where cutting changes its outputs.
    """
    graph = Graph.of(model)
    bounds = graph.bounds()
    pieces = len(bounds) - 1
    if stages > pieces:
        raise UserError(f"stages={stages}: {model.name} can be cut into at most {pieces}")
    piece_ms = _piece_times_ms([graph.part(*ends) for ends in pairwise(bounds)], batch[:MEASURED_ROWS])
    ends = (0, *balance(piece_ms, stages))
    parts = [graph.part(bounds[start], bounds[end]) for start, end in pairwise(ends)]
    _check(model, parts, batch)
    for stage, part in enumerate(parts):
        part.save(stage_path(folder, stage))
    return Cut(
        shapes=(*(_row_shape(part.inputs[0]) for part in parts), _row_shape(parts[-1].outputs[0])),
        layers=tuple(tuple(layer.name for layer in part.layers[1:]) for part in parts),
        stage_ms=tuple(sum(piece_ms[start:end]) for start, end in pairwise(ends)),
        piece_ms=tuple(piece_ms),
    )


def _row_shape(tensor: Any) -> tuple[int, ...]:
    return tuple(FREE if size is None else int(size) for size in tensor.shape[1:])


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One call of a layer in a model: its symbolic arguments and its output."""

    layer: keras.Layer
    arguments: Any  # (args, kwargs)
    output: Any

    def inputs(self) -> list[Any]:
        """The tensors among the arguments."""
        import keras

        return [value for value in keras.tree.flatten(self.arguments) if isinstance(value, keras.KerasTensor)]


@dataclass(frozen=True, slots=True)
class Graph:
    """A model as the calls of its layers, in an executable order."""

    first: Any  # the symbolic input
    calls: list[LayerCall]

    @classmethod
    def of(cls, model: keras.Model) -> Graph:
        """Record the calls of the layers on symbolic tensors. Raises UserError for several inputs or outputs."""
        import keras

        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise UserError(f"stages: {model.name} has several inputs or outputs and cannot be cut")
        calls: list[LayerCall] = []

        def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
            output = layer(*args, **kwargs)
            calls.append(LayerCall(layer, (args, kwargs), output))
            return output

        first = keras.Input(model.inputs[0].shape[1:], dtype=model.inputs[0].dtype)
        if isinstance(model, keras.Sequential):
            tensor = first
            for layer in model.layers:
                tensor = call(layer, tensor)
        else:
            inputs = keras.tree.pack_sequence_as(model.input, [first])
            keras.models.clone_model(model, inputs, clone_function=lambda layer: layer, call_function=call)
        return cls(first, calls)

    def bounds(self) -> list[int]:
        """The indices of calls between which the model can be cut, with 0 and the number of all calls at the ends."""
        inner = [index for index in range(1, len(self.calls)) if self._crossing(index) is not None]
        return [0, *inner, len(self.calls)]

    def _crossing(self, index: int) -> Any:
        """The one tensor that the calls from `index` on need of earlier calls; None where they need several."""
        if index == 0:
            return self.first  # in any datatype that clients send
        made = {id(tensor): tensor for tensor in (self.first, *(call.output for call in self.calls[:index]))}
        needed = {id(tensor) for call in self.calls[index:] for tensor in call.inputs()}
        open_tensors = [tensor for key, tensor in made.items() if key in needed]
        one = len(open_tensors) == 1 and open_tensors[0].dtype == "float32"
        return open_tensors[0] if one else None

    def part(self, start: int, end: int) -> keras.Model:
        """A model of the calls from `start` to before `end`; both are bounds."""
        import keras

        source = self._crossing(start)
        first = keras.Input(source.shape[1:], dtype=source.dtype)
        known = {id(source): first}
        for call in self.calls[start:end]:
            args, kwargs = keras.tree.map_structure(lambda value: known.get(id(value), value), call.arguments)
            known[id(call.output)] = call.layer(*args, **kwargs)
        last = self.calls[-1].output if end == len(self.calls) else self._crossing(end)
        return keras.Model(first, known[id(last)], name=f"calls_{start}_to_{end}")


def _piece_times_ms(pieces: list[keras.Model], rows: NDArray[Any]) -> list[float]:
    """The duration of each piece minus that of an empty call; its input is the output of the pieces before it.

    Takes the minimum of many calls, in rounds over all pieces, so that disturbances affect all pieces alike.
    """
    calls = []
    tensor: Any = rows
    for piece in pieces:
        calls += [_traced(piece, tensor), _traced(_unchanged, tensor)]
        tensor = piece(tensor, training=False)
    shortest_ns = [min(times) for times in zip(*([call() for call in calls] for _ in range(ROUNDS)), strict=True)]
    pairs = zip(shortest_ns[::2], shortest_ns[1::2], strict=True)
    return [max(0, whole_ns - nothing_ns) / NS_PER_MS for whole_ns, nothing_ns in pairs]


def _unchanged(tensor: Any, *, training: bool) -> Any:
    del training
    return tensor


def _traced(function: Callable[..., Any], tensor: Any) -> Callable[[], int]:
    """A function that times one call of `function`, in ns."""
    import tensorflow as tf

    inputs = tf.constant(tensor)
    traced = tf.function(lambda x: function(x, training=False)).get_concrete_function(
        tf.TensorSpec(inputs.shape, inputs.dtype)
    )
    return lambda: _timed_ns(traced, inputs)


def _timed_ns(traced: Callable[[Any], Any], inputs: Any) -> int:
    start_ns = monotonic_ns()
    traced(inputs).numpy()
    return monotonic_ns() - start_ns


def _check(model: keras.Model, parts: list[keras.Model], inputs: NDArray[Any]) -> None:
    """Raise UserError where the parts compute something else together; masks do not pass between parts."""
    import numpy as np

    outputs: Any = inputs
    for part in parts:
        outputs = np.asarray(part(outputs, training=False))  # plain arrays, as between processes
    if not np.allclose(outputs, model(inputs, training=False), atol=1e-5):
        raise UserError(f"stages={len(parts)}: cutting changes the outputs of {model.name}; serve it with stages=1")


def main(name: str, stages: int, folder: Path) -> None:
    """Cut the model and write `cut.json` next to the stages."""
    import_tensorflow()
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    prepared = prepare(name, no_progress)
    batch = find_recipe(name).pipeline.ready.stack(Bank.load(prepared.bank_path).inputs[:CHECKED_ROWS])
    made = cut(keras.models.load_model(prepared.path, compile=False), batch, stages, folder)
    (folder / "cut.json").write_bytes(msgspec.json.format(msgspec.json.encode(made)))


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
