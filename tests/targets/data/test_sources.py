"""Data packages that are missing or damaged, and what is read from whole ones."""

import gzip
import tarfile
import wave
from io import BytesIO

import numpy as np
import pytest

from harness.errors import UserError
from targets.data import fashion, opinions, voices


@pytest.fixture
def shared(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    return tmp_path


def write_fashion(folder, images=12_000):
    folder.mkdir(parents=True)
    for name in fashion.NAMES:
        count = images if "train" in name else 2000
        size = 784 if "images" in name else 1
        head = fashion.IMAGES_HEAD if "images" in name else fashion.LABELS_HEAD
        with gzip.open(folder / name, "wb", compresslevel=1) as file:
            file.write(bytes(head) + bytes(count * size))


def test_missing_fashion_says_how_to_get_it_and_what_to_take_instead(shared):
    with pytest.raises(UserError, match=r"apt-get install dataset-fashion-mnist; without it use --model digits-cnn"):
        fashion.load()


def test_fashion_is_read_where_it_is_unpacked(shared):
    write_fashion(shared / "datasets" / "fashion-mnist")
    examples = fashion.load()
    assert (examples.train.shape, examples.test.shape) == ((12_000, 28, 28), (2000, 28, 28))


@pytest.mark.parametrize("damage", ["short", "cut", "garbage"])
def test_damaged_fashion_is_named_with_the_remedy(shared, damage):
    folder = shared / "datasets" / "fashion-mnist"
    write_fashion(folder, images=11_999 if damage == "short" else 12_000)
    victim = folder / fashion.NAMES[0]
    if damage == "cut":
        victim.write_bytes(victim.read_bytes()[:1000])
    if damage == "garbage":
        victim.write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"corrupt.*apt-get install --reinstall dataset-fashion-mnist"):
        fashion.load()


def write_clip(path, samples, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def write_voices(root, languages):
    for language in languages:
        for number in range(12):
            clip = np.full(1000 + 9000 * number, 100 * number, np.int16)
            write_clip(root / "asterisk" / "sounds" / voices.FOLDERS[language] / f"{number}.wav", clip)


def test_missing_languages_are_named_in_one_command(shared):
    write_voices(shared, ["en", "fr"])
    packages = "asterisk-core-sounds-es-wav asterisk-core-sounds-it-wav asterisk-core-sounds-ru-wav"
    with pytest.raises(UserError, match=f"apt-get install {packages}; .* no synthetic substitute"):
        voices.load()


def test_windows_of_one_clip_stay_on_one_side_and_long_clips_are_cut(shared):
    write_voices(shared, voices.FOLDERS)
    examples = voices.load()
    held_out = [(int(label), int(clip[0])) for clip, label in zip(examples.test, examples.test_labels, strict=True)]
    trained = {
        (int(label), int(window[0])) for window, label in zip(examples.train, examples.train_labels, strict=True)
    }
    assert len(held_out) + len(trained) == 60
    assert not set(held_out) & trained
    assert max(len(clip) for clip in examples.test) <= voices.LONGEST
    assert (examples.train == voices.PAD).any()


@pytest.mark.parametrize("damage", ["rate", "garbage"])
def test_a_damaged_recording_is_named(shared, damage):
    write_voices(shared, voices.FOLDERS)
    victim = shared / "asterisk" / "sounds" / voices.FOLDERS["it"] / "3.wav"
    write_clip(victim, np.zeros(2000), rate=44_100) if damage == "rate" else victim.write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"3\.wav is corrupt .*--reinstall asterisk-core-sounds-it-wav"):
        voices.load()


def write_sdist(path, lines):
    inner = BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for part in opinions.PARTS:
            add(archive, f"hutto_ICWSM_2014/{part}_GroundTruth.txt", "\n".join(lines).encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as outer:
        add(outer, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", inner.getvalue())


def add(archive, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, BytesIO(content))


@pytest.fixture
def sdist(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sweepspot" / "data" / "vaderSentiment-3.3.2.tar.gz"


def test_only_clear_opinions_are_taken_and_long_ones_cut(sdist):
    write_sdist(sdist, ["1\t2.5\tgood", "2\t-3\tbad", "3\t0.5\tso so", "4\t1.5\t" + "long " * 200, "5\t3\t  "] * 20)
    examples = opinions.load()
    texts = [item.tobytes() for item in (*examples.train, *examples.test)]
    assert len(texts) == 3 * 20 * len(opinions.PARTS)
    assert {text[:4] for text in texts} == {b"good", b"bad", b"long"}
    assert max(map(len, texts)) == opinions.LONGEST
    labels = np.concatenate([examples.train_labels, examples.test_labels])
    assert dict(zip(texts, labels.tolist(), strict=True))[b"bad"] == 0


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_damaged_archive_is_named_with_the_remedy(sdist, content):
    write_sdist(sdist, ["no tabs at all"])
    if content is not None:
        sdist.write_bytes(content)
    with pytest.raises(UserError, match=r"corrupt.*rm .*vaderSentiment"):
        opinions.load()


@pytest.mark.process
def test_what_cannot_be_fetched_is_said_with_the_command(sdist, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    with pytest.raises(UserError, match=r"could not be fetched.*pip download .*vaderSentiment==3\.3\.2"):
        opinions.files()
