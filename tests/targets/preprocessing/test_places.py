"""The same answers wherever preprocessing happens: on NumPy in three places, and inside a Keras model's graph."""

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from targets.preprocessing.input_assembler import InputAssembler
from targets.preprocessing.place import preprocessing_of
from targets.preprocessing.sound import SOUND_PIPELINE
from targets.preprocessing.text import TEXT_PIPELINE
from targets.servers.protocols.inference import InferRequest

RNG = np.random.default_rng(2)
CLIPS = tuple(RNG.integers(-5000, 5000, samples).astype(np.int16) for samples in (900, 5000, 2000))


@dataclass
class Way:
    assembler: InputAssembler
    setting: dict

    def inputs(self, blocks):
        requests = [InferRequest(len(block), block.tobytes(), block.shape[1:], form=None) for block in blocks]
        for request in requests:
            self.assembler.admit(request)
        batch, steps_ns = self.assembler.batch(requests)
        return batch, steps_ns, requests


def way(pipeline, items, **setting):
    return Way(InputAssembler(preprocessing_of(pipeline, setting), items), setting)


@pytest.mark.parametrize("views", [1, 3])
def test_for_each_request_and_for_a_batch_the_model_gets_the_same(views):
    blocks = [CLIPS[0][None], np.stack([CLIPS[1], CLIPS[1] // 2]), CLIPS[2][None]]
    one, one_steps, requests = way(SOUND_PIPELINE, CLIPS, preprocess="server", tta=views).inputs(blocks)
    whole, steps, _ = way(SOUND_PIPELINE, CLIPS, preprocess="batch", tta=views).inputs(blocks)
    assert np.allclose(one, whole, atol=1e-4)
    assert len(whole) == 4 * views
    assert one_steps == {}
    assert all(set(request.spent_ns) == set(steps) for request in requests)
    assert set(steps) == {"clean", "transform", "normalise"} | ({"augment"} if views > 1 else set())
    assert [request.weight for request in requests] == [views, 2 * views, views]


def test_answers_to_views_are_averaged_where_the_server_made_them():
    outputs = np.arange(12, dtype=np.float32).reshape(6, 2)
    served = way(SOUND_PIPELINE, CLIPS, preprocess="batch", tta=3).assembler
    assert served.average_views(outputs).tolist() == [[2, 3], [8, 9]]
    client = way(SOUND_PIPELINE, CLIPS, preprocess="client", tta=3).assembler
    assert client.average_views(outputs) is outputs


@pytest.mark.parametrize(("padding", "frames"), [("longest", 16), ("bucket", 16), ("full", 800)])
def test_padding_decides_how_long_a_batch_is(padding, frames):
    ready = tuple(SOUND_PIPELINE.prepare_one(clip)[0] for clip in (CLIPS[0], CLIPS[0]))
    batch, _, _ = way(SOUND_PIPELINE, ready, padding=padding).inputs([item[None] for item in ready])
    assert batch.shape == (2, frames, 40)


def test_what_a_server_warms_up_with_is_what_its_model_takes():
    for place in ("client", "server", "batch"):
        assert way(TEXT_PIPELINE, (np.array([97, 32, 98], np.uint8),), preprocess=place).assembler.sample_batch(
            5
        ).shape == (5, 2)
    graph = way(TEXT_PIPELINE, (np.array([97, 32, 98], np.uint8),), preprocess="graph").assembler
    assert graph.sample_batch(5).dtype == np.uint8


GRAPH = """
import json
import numpy as np
from targets.engines.quiet_import import import_tensorflow
import_tensorflow()
from targets.models.catalog import find_recipe
from targets.models.preprocessing_graph import with_preprocessing
from targets.models.offline import offline_predictions

rng = np.random.default_rng(3)
texts = [b"A good thing", b"?!", b"not as Bad as it's said to be, really", b"x" * 40]
items = {
    "digits-mlp": rng.integers(0, 17, (4, 8, 8)).astype(np.uint8),
    "fashion-mlp": rng.integers(0, 256, (4, 28, 28)).astype(np.uint8),
    "speech-small": tuple(rng.integers(-9000, 9000, n).astype(np.int16) for n in (900, 7000, 30000)),
    "text-small": tuple(np.frombuffer(text, np.uint8) for text in texts),
    "text-large": tuple(np.frombuffer(text, np.uint8) for text in texts),
}
worst = {}
for name, some in items.items():
    recipe = find_recipe(name)
    model = recipe.build()
    model.set_weights([0.5 * rng.normal(size=w.shape) for w in model.get_weights()])
    choices = ({}, {"tta": 3}) if name == "digits-mlp" else ({}, {"tta": 3}, {"clean": False})
    for choice in choices:
        pipeline = recipe.pipeline.choose(choice)
        whole = with_preprocessing(model, pipeline)
        right = offline_predictions(model, pipeline, some)
        answers = whole(pipeline.raw.stack(some)).numpy()
        assert np.isfinite(answers).all(), (name, choice)
        worst[f"{name} {choice}"] = float(abs(answers - right).max())
print(json.dumps(worst))
"""


@pytest.mark.slow
@pytest.mark.process
def test_inside_the_graph_every_model_answers_the_same():
    done = subprocess.run([sys.executable, "-c", GRAPH], capture_output=True, text=True, check=True)
    worst = json.loads(done.stdout.splitlines()[-1])
    assert len(worst) == 14
    assert {name: off for name, off in worst.items() if off > 1e-3} == {}
