"""Spoken telephone prompts in five languages, from Debian's Asterisk packages (8 kHz, CC-BY-SA; ru CC-BY).

The task is to classify the language. There is one speaker per language (English and Spanish share theirs), so a model
may recognise a voice or a recording instead of a language. Its accuracy shows whether responses are as good as offline
predictions; it does not show how well other speakers would be classified.
"""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

from harness.errors import UserError
from targets.data.packages import intact, share
from targets.data.source import DataSource, Examples

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Clip = NDArray[np.int16]

FOLDERS = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
RATE_HZ = 8000
WINDOW = 16_120  # samples of a training window: 200 frames of 25 ms every 10 ms
SHORTEST = 800  # samples: a tenth of a second
LONGEST = 64_120  # samples: eight seconds; longer clips are cut
PAD = -32768  # no clip has this value: it is replaced by -32767
TEST_SHARE = 0.2
SPLIT_SEED = 7


def load() -> Examples:
    """Load int16 audio. Training: windows (n, WINDOW) of clips, padded with PAD; held out: one whole clip in five.

    All windows of a clip are on the same side of the split.
    """
    import numpy as np

    clips, labels = _clips()
    held_out = np.random.default_rng(SPLIT_SEED).random(len(clips)) < TEST_SHARE
    windows = [
        (window, label) for clip, label, out in zip(clips, labels, held_out, strict=True) if not out
        for window in _windows(clip)
    ]  # fmt: skip
    return Examples(
        np.stack([window for window, _ in windows]),
        np.array([label for _, label in windows], dtype=np.int64),
        tuple(clip for clip, out in zip(clips, held_out, strict=True) if out),
        np.array([label for label, out in zip(labels, held_out, strict=True) if out], dtype=np.int64),
    )


def files() -> tuple[Path, ...]:
    """All recordings of all languages. Raises UserError where a package is not installed."""
    folders = {language: share(f"asterisk/sounds/{name}") for language, name in FOLDERS.items()}
    missing = [language for language, folder in folders.items() if folder is None]
    if missing:
        packages = " ".join(f"asterisk-core-sounds-{language}-wav" for language in missing)
        raise UserError(
            f"recorded speech is not installed: apt-get install {packages}; there is no synthetic substitute: "
            "without it use scenarios/image.py or scenarios/text.py"
        )
    return tuple(file for folder in folders.values() if folder for file in sorted(folder.rglob("*.wav")))


def _clips() -> tuple[list[Clip], list[int]]:
    clips, labels = [], []
    languages = list(FOLDERS)
    for file in files():
        language = next(number for number, name in enumerate(languages) if FOLDERS[name] in file.parts)
        reinstall = f"apt-get install --reinstall asterisk-core-sounds-{languages[language]}-wav"
        with intact(str(file), reinstall):
            clip = _read(file)
        if clip.size >= SHORTEST:
            clips.append(clip[:LONGEST])
            labels.append(language)
    return clips, labels


def _read(file: Path) -> Clip:
    import numpy as np

    try:
        with wave.open(str(file)) as sound:
            if (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) != (RATE_HZ, 1, 2):
                raise ValueError("not 8 kHz, mono, 16 bit")
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    except wave.Error as error:
        raise ValueError(str(error)) from error
    clip: Clip = np.maximum(samples, PAD + 1).astype(np.int16)
    return clip


def _windows(clip: Clip) -> list[Clip]:
    import numpy as np

    parts = [clip[start : start + WINDOW] for start in range(0, clip.size, WINDOW)]
    whole = [part for part in parts if part.size >= SHORTEST]
    return [np.pad(part, (0, WINDOW - part.size), constant_values=PAD) for part in whole]


VOICES = DataSource(
    name="voices",
    doc="Asterisk's spoken prompts (2831 clips, 5 languages; one speaker per language, so the accuracy does not "
    "measure language identification)",
    classes=tuple(FOLDERS),
    files=files,
    load=load,
)
