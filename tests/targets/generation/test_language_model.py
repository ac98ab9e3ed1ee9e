"""The model as it is served: bit for bit the same whatever shares the batch."""

import numpy as np
import pytest

from targets.generation.language_model import Chunk, LanguageModel
from targets.generation.recipe import DecoderShape
from targets.generation.sampling import next_tokens
from targets.generation.sequence import Sequence
from targets.generation.text import Message, Tokenizer, train_tokenizer

SHAPE = DecoderShape(vocabulary=96, width=32, layers=2, heads=4, context=128)
DIALOGUES = [
    ("what is water", "a liquid that falls from clouds"),
    ("who wrote this letter", "nobody knows who it was"),
] * 20


@pytest.fixture(scope="module")
def tokenizer():
    pytest.importorskip("sentencepiece")
    return Tokenizer(train_tokenizer(DIALOGUES, SHAPE.vocabulary))


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(3)
    d, key = SHAPE.width, SHAPE.head_width
    sizes = {"embedding": (SHAPE.vocabulary, d)}
    for layer in range(SHAPE.layers):
        sizes |= {f"attend{layer}": (d, d + 2 * key), f"mix{layer}": (d, d)}
        sizes |= {f"widen{layer}": (d, 4 * d), f"narrow{layer}": (4 * d, d)}
    return {name: (rng.normal(size=size) * 0.3).astype(np.float32) for name, size in sizes.items()}


@pytest.fixture(scope="module")
def model(tokenizer, weights):
    return LanguageModel(SHAPE, tokenizer, weights, slots=20)


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(5)
    return [rng.integers(5, SHAPE.vocabulary, size=size).tolist() for size in rng.integers(2, 100, size=20)]


def test_a_prompt_whole_in_chunks_or_token_by_token_is_the_same(model, sequences):
    for sequence in sequences[:6]:
        whole = model.logits([Chunk(0, 0, sequence)])[0].copy()
        half = len(sequence) // 2
        model.logits([Chunk(1, 0, sequence[:half])])
        chunked = model.logits([Chunk(1, half, sequence[half:])])[0].copy()
        for position, token in enumerate(sequence):
            single = model.logits([Chunk(2, position, [token])])[0]
        assert np.array_equal(whole, chunked)
        assert np.array_equal(whole, single)


def test_logits_do_not_depend_on_the_batch(model, sequences):
    alone = [model.logits([Chunk(0, 0, sequence)])[0].copy() for sequence in sequences]
    together = model.logits([Chunk(slot, 0, sequence) for slot, sequence in enumerate(sequences)])
    assert np.array_equal(together, alone)
    for slot, sequence in enumerate(sequences):
        model.logits([Chunk(slot, 0, sequence[:-1])])
    order = np.random.default_rng(1).permutation(len(sequences))
    decoded = model.logits([Chunk(int(slot), len(sequences[slot]) - 1, sequences[slot][-1:]) for slot in order])
    assert np.array_equal(decoded, np.array(alone)[order])


def test_logits_are_those_of_a_plain_computation(model, weights, sequences):
    def norm(x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)

    tokens = sequences[3]
    x = weights["embedding"].astype(np.float64)[tokens]
    d, key = SHAPE.width, SHAPE.head_width
    distance = np.arange(len(tokens))[:, None] - np.arange(len(tokens))
    for layer in range(SHAPE.layers):
        y = norm(x) @ weights[f"attend{layer}"]
        keys, values, mixed = y[:, d : d + key], y[:, d + key :], []
        for head, slope in enumerate(SHAPE.slopes):
            scores = y[:, head * key : (head + 1) * key] @ keys.T / np.sqrt(key) - slope * distance
            scores[distance < 0] = -np.inf
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            mixed.append(scores / scores.sum(-1, keepdims=True) @ values)
        x = x + np.concatenate(mixed, axis=-1) @ weights[f"mix{layer}"]
        x = x + np.maximum(norm(x) @ weights[f"widen{layer}"], 0) @ weights[f"narrow{layer}"]
    expected = norm(x[-1]) @ weights["embedding"].T
    found = model.logits([Chunk(0, 0, tokens)])[0]
    spoken = np.isfinite(found)
    assert spoken.sum() == SHAPE.vocabulary - len(model.tokenizer.non_text)
    np.testing.assert_allclose(found[spoken], expected[spoken], rtol=1e-3, atol=1e-3)


def test_draws_are_repeatable_and_greedy_takes_the_likeliest():
    logits = np.array([[0.0, 3.0, 2.9], [0.0, 3.0, 2.9]], np.float32)
    cold, warm = Sequence([1], 5), Sequence([1], 5, temperature=1.0, seed=4)
    draws = {tuple(next_tokens(logits.copy(), [cold, warm], end=0)) for _ in range(5)}
    assert len(draws) == 1
    assert next(iter(draws))[0] == 1
    (alone,) = next_tokens(logits[1:].copy(), [warm], end=0)
    assert alone == next(iter(draws))[1]


def test_the_end_of_a_turn_can_be_ruled_out():
    logits = np.array([[9.0, 3.0, 2.0]], np.float32)
    assert next_tokens(logits.copy(), [Sequence([1], 5)], end=0) == [0]
    assert next_tokens(logits.copy(), [Sequence([1], 5, ignore_end=True)], end=0) == [1]


def test_a_conversation_has_marks_that_no_text_can_make(tokenizer):
    tokens = tokenizer.conversation([Message("user", "what is <bot> water"), Message("assistant", "a liquid")])
    marks = [token for token in tokens if token in tokenizer.non_text[2:]]
    assert len(marks) == 3  # user, bot, and bot once more for the answer that is wanted
    assert tokens[-1] == marks[-1] == marks[1]
    spoken = "".join(map(tokenizer.text, tokenizer.conversation([Message("user", "what is water")])))
    assert spoken == " what is water"
