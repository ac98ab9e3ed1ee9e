"""The steps on NumPy: one item, a padded batch, and what neither may do."""

import numpy as np
import pytest

from harness.errors import UserError
from targets.data.voices import PAD
from targets.preprocessing.image import DIGITS_PIPELINE, SHIFTS, image_pipeline
from targets.preprocessing.sound import BANDS, FRAME, HOP, SOUND_PIPELINE, fourier_kernel, mel_weights
from targets.preprocessing.text import BUCKETS, TEXT_PIPELINE

RNG = np.random.default_rng(5)


def text(words):
    return np.frombuffer(words.encode(), np.uint8)


def sound(samples):
    return RNG.integers(-9000, 9000, samples).astype(np.int16)


ITEMS = {
    "sound": (SOUND_PIPELINE, tuple(sound(samples) for samples in (800, 4000, 12_345))),
    "text": (TEXT_PIPELINE, (text("Not bad!"), text("12 ;-)"), text("It's a very, very LONG sentence indeed"))),
    "image": (image_pipeline(28, 255.0, to=14), RNG.integers(0, 256, (3, 28, 28)).astype(np.uint8)),
}


@pytest.mark.parametrize("field", ITEMS)
@pytest.mark.parametrize("choice", [{}, {"clean": False}, {"tta": 3}], ids=["all", "unclean", "views"])
def test_an_item_is_made_ready_alone_as_in_a_batch(field, choice):
    pipeline, items = ITEMS[field]
    pipeline = pipeline.choose(choice)
    batch, spent_ns = pipeline.apply(pipeline.raw.stack(items))
    views = choice.get("tta", 1)
    assert ("augment" in spent_ns) is (views > 1)
    for number, item in enumerate(items):
        alone, _ = pipeline.prepare_one(item)
        for view, one in enumerate(alone if views > 1 else [alone]):
            together = batch[number * views + view]
            assert np.allclose(together[: len(one)], one, atol=1e-4)
            assert not together[len(one) :].any()


def test_pictures_are_averaged_stretched_and_scaled():
    pipeline = image_pipeline(4, 255.0, to=2)
    picture = np.array([[10, 10, 60, 60], [10, 10, 60, 60], [10, 60, 35, 35], [60, 10, 35, 35]], np.uint8)
    ready, _ = pipeline.prepare_one(picture)
    assert np.allclose(ready, [[0, 1], [0.5, 0.5]])


def test_views_of_a_picture_are_its_shifts():
    digit = np.zeros((8, 8), np.uint8)
    digit[3, 4] = 16
    views, _ = DIGITS_PIPELINE.choose({"tta": 5}).prepare_one(digit)
    found = [tuple(int(place[0]) for place in np.nonzero(view.reshape(8, 8))) for view in views]
    assert found == [(3 + rows, 4 + columns) for rows, columns in SHIFTS[:5]]


def test_the_same_words_have_the_same_numbers_whatever_stands_around_them():
    ready, _ = TEXT_PIPELINE.prepare_one(text("Good, GOOD... bad good"))
    assert len(ready) == 4
    assert ready[0] == ready[1] == ready[3] != ready[2]
    assert (ready > 0).all()
    assert (ready <= BUCKETS).all()


def test_a_hash_is_that_of_the_last_twelve_letters_read_backwards():
    expected = 0
    for letter in reversed(b"bad"):
        expected = (expected * 31 + letter) % BUCKETS
    assert TEXT_PIPELINE.prepare_one(text("bad"))[0].tolist() == [expected + 1]
    long, longer = (TEXT_PIPELINE.prepare_one(text(head + "abcdefghijkl"))[0] for head in ("x", "yz"))
    assert long.tolist() == longer.tolist()


@pytest.mark.parametrize("words", ["!!! 123 ?", "\N{SNOWMAN}", "."])
def test_a_text_without_a_word_is_one_zero(words):
    assert TEXT_PIPELINE.prepare_one(text(words))[0].tolist() == [0]


def test_views_of_a_text_leave_words_out():
    views, _ = TEXT_PIPELINE.choose({"tta": 3}).prepare_one(text("a b c d e f"))
    assert [(view > 0).tolist() for view in views] == [
        [True] * 6,
        [True, False] * 3,
        [True, True, False] * 2,
    ]


def test_a_tone_is_loudest_in_its_own_band():
    hertz = 1000.0
    tone = (8000 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000)).astype(np.int16)
    ready, _ = SOUND_PIPELINE.choose({"normalise": False, "clean": False}).prepare_one(tone)
    band = int(ready[: (8000 - FRAME) // HOP + 1].mean(axis=0).argmax())
    weights = mel_weights()[round(hertz / 8000 * 256)]
    assert weights[band] == weights.max() > 0


def test_the_kernel_is_the_fourier_transform_under_its_window():
    frame = RNG.normal(size=FRAME).astype(np.float32)
    waves = frame @ fourier_kernel()[:, 0]
    spectrum = np.fft.rfft(frame * np.hanning(FRAME), 256)
    assert np.allclose(waves[:129] ** 2 + waves[129:] ** 2, abs(spectrum) ** 2, rtol=1e-3, atol=1e-3)


def test_silence_is_no_padding():
    ready, _ = SOUND_PIPELINE.choose({"normalise": False}).prepare_one(np.zeros(800, np.int16))
    assert ready.shape == (16, BANDS)
    assert (ready[:8] < 0).all()
    assert not ready[8:].any()
    batch, _ = SOUND_PIPELINE.choose({"normalise": False}).apply(np.full((1, 1400), PAD, np.int16))
    assert not batch.any()


def test_steps_that_a_model_does_not_have_and_too_many_views_are_refused():
    with pytest.raises(UserError, match="clean=off: this model's preprocessing has no such step"):
        DIGITS_PIPELINE.choose({"clean": False})
    with pytest.raises(UserError, match="tta=9: this model has at most 5 views"):
        SOUND_PIPELINE.choose({"tta": 9})
