"""Sentences that people rated from -4 to 4 (Hutto & Gilbert, ICWSM 2014), from vaderSentiment's source distribution.

The wheel holds only lexicons, so pip fetches the source distribution, verified by its hash, into the user's cache. The
sentences are other people's reviews, tweets and editorials; no copy is kept except in the model cache.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.files import cache_folder
from targets.data.packages import intact
from targets.data.source import DataSource, Examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
PARTS = ("movieReviewSnippets", "amazonReviewSnippets", "tweets")
CLEAR = 1.0  # sentences with a rating nearer to zero are left out
LONGEST = 512  # bytes of a text; longer texts are cut
TEST_SHARE = 0.15
SPLIT_SEED = 7
FETCH_TIMEOUT_S = 180


def load() -> Examples:
    """Load texts as UTF-8 bytes uint8 (length,), labelled negative (0) or positive (1)."""
    import numpy as np

    (sdist,) = files()
    with intact(str(sdist), f"rm {sdist}"):
        try:
            rated = [(text, rating) for text, rating in _rated(sdist) if abs(rating) > CLEAR]
        except tarfile.TarError as error:
            raise ValueError(str(error)) from error
    texts = tuple(np.frombuffer(text.encode()[:LONGEST], np.uint8) for text, _ in rated)
    labels = np.array([rating > 0 for _, rating in rated], dtype=np.int64)
    held_out = np.random.default_rng(SPLIT_SEED).random(len(texts)) < TEST_SHARE
    return Examples(
        tuple(text for text, out in zip(texts, held_out, strict=True) if not out),
        labels[~held_out],
        tuple(text for text, out in zip(texts, held_out, strict=True) if out),
        labels[held_out],
    )


def files() -> tuple[Path, ...]:
    """The source distribution, fetched by pip on first use. Raises UserError where fetching fails."""
    sdist = _folder() / f"vaderSentiment-{VERSION}.tar.gz"
    if not sdist.is_file():
        _fetch(sdist.parent)
    return (sdist,)


def _folder() -> Path:
    return cache_folder("data")


def _fetch(folder: Path) -> None:
    print(f"fetching vaderSentiment {VERSION} (2.5 MB of rated sentences) with pip ...", file=sys.stderr, flush=True)
    command = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(f"vaderSentiment=={VERSION} --hash=sha256:{SHA256}\n")
        wanted.flush()
        argv = [sys.executable, "-m", "pip", *command, "--require-hashes", "--requirement", wanted.name]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
            failure = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]
        except subprocess.TimeoutExpired:
            failure = f"no response within {FETCH_TIMEOUT_S} s"
    if failure:
        raise UserError(
            f"the rated sentences could not be fetched ({failure}); on a machine with a network: python -m pip "
            f"{' '.join(command)} vaderSentiment=={VERSION}; without them use scenarios/image.py"
        )


def _rated(sdist: Path) -> Iterator[tuple[str, float]]:
    """(text, mean rating) of every sentence that is not blank."""
    inner = f"vaderSentiment-{VERSION}/additional_resources/hutto_ICWSM_2014.tar.gz"
    with tarfile.open(sdist) as outer, tarfile.open(fileobj=outer.extractfile(inner)) as archive:
        for part in PARTS:
            stream = archive.extractfile(f"hutto_ICWSM_2014/{part}_GroundTruth.txt")
            for line in (stream.read() if stream else b"").decode("utf-8", "replace").splitlines():
                _, rating, text = line.split("\t")[:3]
                if text := text.replace("\0", "").strip():
                    yield text, float(rating)


OPINIONS = DataSource(
    name="opinions",
    doc="rated sentences of vaderSentiment (reviews and tweets, clearly negative or positive)",
    classes=("negative", "positive"),
    files=files,
    load=load,
)
