"""Trains a language model and writes its weights, tokenizer, card, and greedy continuations.

Runs as a separate process (`python -m targets.generation.train NAME FOLDER`), like the training of the other models.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.clock import NS_PER_S, monotonic_ns
from harness.record.model_card import ModelCard
from harness.wire.prompt_bank import PromptBank
from targets.engines.quiet_import import import_tensorflow
from targets.generation.recipe import RECIPES
from targets.generation.text import SOURCE, Message, Tokenizer, load_dialogues, train_tokenizer
from targets.models.maker_process import report_progress

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from harness.plan.target_spec import Progress
    from targets.generation.recipe import ChatRecipe
    from targets.generation.text import Dialogue

HELD_OUT = 0.05


def train(recipe: ChatRecipe, folder: Path, progress: Progress) -> ModelCard:
    """Fit `recipe` and write `tokens.model`, `weights.npz`, and `prompts.json` into `folder`."""
    stage = f"training {recipe.name}"
    progress(stage, 0, recipe.epochs)
    dialogues = load_dialogues()
    (folder / "tokens.model").write_bytes(train_tokenizer(dialogues, recipe.shape.vocabulary))
    tokenizer = Tokenizer((folder / "tokens.model").read_bytes())
    start_ns = monotonic_ns()
    model, loss, windows = _fit(recipe, tokenizer, dialogues, progress)
    seconds = (monotonic_ns() - start_ns) / NS_PER_S
    np.savez(folder / "weights.npz", **{weight.name: weight.numpy() for weight in model.weights})
    _bank(recipe, folder, dialogues).save(folder / "prompts.json")
    return ModelCard(
        name=recipe.name,
        parameters=int(model.count_params()),
        data=SOURCE,
        train_count=windows[0],
        test_count=windows[1],
        test_loss=loss,
        engine="onnx",
        trained_seconds=round(seconds, 2),
        layers=(
            f"Embedding({recipe.shape.vocabulary}, {recipe.shape.width})",
            f"{recipe.shape.layers} x Block({recipe.shape.heads} heads, {recipe.shape.head_width} wide, ReLU)",
        ),
    )


def _fit(
    recipe: ChatRecipe, tokenizer: Tokenizer, dialogues: list[Dialogue], progress: Progress
) -> tuple[keras.Model, float, tuple[int, int]]:
    import_tensorflow()
    import keras

    from targets.generation.keras_model import build

    keras.utils.set_random_seed(recipe.seed)
    windows = _windows(recipe, tokenizer, dialogues)
    held_out = max(1, round(HELD_OUT * len(windows)))
    model = build(recipe.shape, recipe.window)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
    )
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _logs: progress(f"training {recipe.name}", epoch + 1, recipe.epochs)
    )
    test, training = windows[:held_out], windows[held_out:]
    model.fit(
        training[:, :-1],
        training[:, 1:],
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=0,
        callbacks=[report],
    )
    loss = float(model.evaluate(test[:, :-1], test[:, 1:], verbose=0))
    return model, loss, (len(training), held_out)


def _windows(recipe: ChatRecipe, tokenizer: Tokenizer, dialogues: list[Dialogue]) -> NDArray[np.int32]:
    """Concatenate all dialogues in a seeded order and cut them into windows (n, window + 1)."""
    rng = np.random.default_rng(recipe.seed)
    tokens: list[int] = []
    for number in rng.permutation(len(dialogues)):
        turns = dialogues[number]
        messages = [Message(("user", "assistant")[place % 2], turn) for place, turn in enumerate(turns)]
        tokens += tokenizer.conversation(messages)[:-1]
    size = recipe.window + 1
    count = len(tokens) // size
    return rng.permutation(np.array(tokens[: count * size], dtype=np.int32).reshape(count, size))


def _bank(recipe: ChatRecipe, folder: Path, dialogues: list[Dialogue]) -> PromptBank:
    """Opening lines with the model's greedy continuation, computed without batching, which must not change it."""
    from targets.generation.generate import continuation
    from targets.generation.language_model import load_language_model

    openings = list(dict.fromkeys(dialogue[0] for dialogue in dialogues))
    chosen = np.random.default_rng(recipe.seed).permutation(len(openings))[: recipe.prompts]
    prompts = tuple(openings[number] for number in chosen)
    model = load_language_model(folder, recipe.shape, slots=1)
    expected = tuple(continuation(model, prompt, recipe.continuation) for prompt in prompts)
    return PromptBank(model=recipe.name, prompts=prompts, expected=expected)


if __name__ == "__main__":
    _card = train(RECIPES[sys.argv[1]], Path(sys.argv[2]), report_progress)
    (Path(sys.argv[2]) / "card.json").write_bytes(msgspec.json.encode(_card))
