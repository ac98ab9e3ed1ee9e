"""Files between a master and workers that do not share a disk: payloads on the way there, rows and reports back.

A worker's rows travel while they are made, as pieces of its file with their offset, so that a worker that is lost has
lost the last seconds only. Its report travels whole, as the newest of a series with numbers: one that comes twice or
late changes nothing.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

from harness.files import replacing

if TYPE_CHECKING:
    from locust.runners import WorkerRunner

SHARD = "sweepspot_shard"  # to the master: {"name", "offset", "data"}
INTERVAL_S = 2.0
CHUNK_BYTES = 1 << 18
MOST_FILE_BYTES = 1 << 34  # of one worker's file: some 100 million rows
WORKER_DIR = "SWEEPSPOT_WORKER_DIR"  # environment variable: where a worker keeps its rows until they are sent
_NAME = re.compile(r"(?:(?:requests|tokens)(-\d+)?\.arrow|load(-\d+)?\.json)")
logger = logging.getLogger(__name__)


def own_folder() -> Path:
    """A new folder on a worker's own disk."""
    parent = os.environ.get(WORKER_DIR)
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="sweepspot-", dir=parent))


class Courier:
    """Brings the files in `folder` to the master while they grow."""

    def __init__(self, runner: WorkerRunner, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._brought: dict[str, int] = {}  # bytes of each file
        self._rounds = gevent.spawn(self._go_round)

    def finish(self) -> None:
        """Bring the rest and remove the folder."""
        self._rounds.kill()
        self._bring()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _go_round(self) -> None:
        while True:
            gevent.sleep(INTERVAL_S)
            self._bring()

    def _bring(self) -> None:
        for path in sorted(self._folder.glob("*.arrow")):
            with path.open("rb") as file:
                file.seek(self._brought.get(path.name, 0))
                while chunk := file.read(CHUNK_BYTES):
                    self._send(path.name, file.tell() - len(chunk), chunk)
                    self._brought[path.name] = file.tell()
                    gevent.sleep(0)  # the engine has its turn
        for path in sorted(self._folder.glob("load*.json")):
            self._send(path.name, 0, path.read_bytes())

    def _send(self, name: str, offset: int, data: bytes) -> None:
        self._runner.send_message(SHARD, {"name": name, "offset": offset, "data": data})


def keep_shard(folder: Path, shard: dict[str, Any], suffix: str) -> None:
    """Write a part of a worker's file into the master's folder.

    suffix: of that worker's file names (`TrialLoad.suffix`). A file of another name, or beyond `MOST_FILE_BYTES`, is
    refused.
    """
    name, offset, data = str(shard["name"]), int(shard["offset"]), bytes(shard["data"])
    match = _NAME.fullmatch(name)
    own = match is not None and (match[1] or match[2] or "") == suffix
    if not own or not 0 <= offset <= MOST_FILE_BYTES - len(data):
        logger.error("A worker sent a part of %r at byte %d, which is not kept", name, offset)
        return
    path = folder / name
    try:
        if name.endswith(".json"):
            with replacing(path) as partial:
                partial.write_bytes(data)
        else:
            with path.open("r+b" if path.exists() else "wb") as file:
                file.seek(offset)
                file.write(data)
    except OSError as error:
        logger.error("Rows of a worker are lost: %s: %s", path, error.strerror)  # noqa: TRY400  (one line will do)
