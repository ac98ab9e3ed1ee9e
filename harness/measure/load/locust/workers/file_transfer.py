"""Sends the files of a worker to a master that does not share its disk.

Rows are sent while they are made, as pieces of the file with their offset, so that a lost worker loses only its last
seconds. The report is sent whole each time and has a sequence number; a copy that arrives twice or late has no effect.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

from harness.files import replacing
from harness.system.temporary_folder import OwnedFolder

if TYPE_CHECKING:
    from locust.runners import WorkerRunner

SHARD = "sweepspot_shard"  # to the master: {"name", "offset", "data"}
INTERVAL_S = 2.0
CHUNK_BYTES = 1 << 18
MOST_FILE_BYTES = 1 << 34  # of one worker's file: some 100 million rows
WORKER_DIR = "SWEEPSPOT_WORKER_DIR"  # environment variable: where a worker keeps its rows until they are sent
_NAME = re.compile(r"(?:(?:requests|tokens)(-\d+)?\.arrow|load(-\d+)?\.json)")
logger = logging.getLogger(__name__)


def own_folder() -> OwnedFolder:
    """A new folder on a worker's own disk."""
    parent = os.environ.get(WORKER_DIR)
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    return OwnedFolder("worker", parent)


class FileTransfer:
    """Sends the files in `folder` to the master while they grow."""

    def __init__(self, runner: WorkerRunner, folder: OwnedFolder) -> None:
        self._runner = runner
        self._owned = folder
        self._folder = folder.path
        self._sent_bytes: dict[str, int] = {}  # of each file
        self._loop = gevent.spawn(self._send_regularly)

    def finish(self) -> None:
        """Send the rest and remove the folder."""
        self._loop.kill()
        self._send_new()
        self._owned.remove()

    def _send_regularly(self) -> None:
        while True:
            gevent.sleep(INTERVAL_S)
            self._send_new()

    def _send_new(self) -> None:
        for path in sorted(self._folder.glob("*.arrow")):
            with path.open("rb") as file:
                file.seek(self._sent_bytes.get(path.name, 0))
                while chunk := file.read(CHUNK_BYTES):
                    self._send(path.name, file.tell() - len(chunk), chunk)
                    self._sent_bytes[path.name] = file.tell()
                    gevent.sleep(0)  # let the engine run
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
