"""Sends the files of a worker to a master that does not share its disk.

Rows are sent while they are made, as pieces of the file with their offset, so that a lost worker loses only its last
seconds. The report is sent whole each time and has a sequence number; a copy that arrives twice or late has no effect.
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

if TYPE_CHECKING:
    from locust.runners import WorkerRunner

SHARD = "sweepspot_shard"  # to the master: {"name", "offset", "data"}
INTERVAL_S = 2.0
CHUNK_BYTES = 1 << 18
WORKER_DIR = (
    "SWEEPSPOT_WORKER_DIR"  # environment variable: the folder where a worker keeps its rows until they are sent
)
_NAME = re.compile(r"((requests|tokens)(-\d+)?\.arrow|load(-\d+)?\.json)")  # without a number: from the only worker
logger = logging.getLogger(__name__)


def own_folder() -> Path:
    """A new folder on a worker's own disk."""
    parent = os.environ.get(WORKER_DIR)
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="sweepspot-", dir=parent))


def exists_locally(path: Path | str) -> bool:
    """Whether a file of the master is on this machine, and this worker has no folder of its own (WORKER_DIR)."""
    return WORKER_DIR not in os.environ and Path(path).is_file()


class FileTransfer:
    """Sends the files in `folder` to the master while they grow."""

    def __init__(self, runner: WorkerRunner, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._sent_bytes: dict[str, int] = {}  # of each file
        self._loop = gevent.spawn(self._send_regularly)

    def finish(self) -> None:
        """Send the rest and remove the folder."""
        self._loop.kill()
        self._send_new()
        shutil.rmtree(self._folder, ignore_errors=True)

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


def keep_shard(folder: Path, shard: dict[str, Any]) -> None:
    """Write a piece that a worker sent into the master's folder. A name that no worker uses is refused."""
    name, offset, data = str(shard["name"]), int(shard["offset"]), bytes(shard["data"])
    if not _NAME.fullmatch(name):
        logger.error("A worker sent a file called %r, which is not kept", name)
        return
    path = folder / name
    try:
        if name.endswith(".json"):
            partial = path.with_name(f".{name}.partial")
            partial.write_bytes(data)
            partial.replace(path)
        else:
            with path.open("r+b" if path.exists() else "wb") as file:
                file.seek(offset)
                file.write(data)
    except OSError as error:
        logger.error("Rows of a worker are lost: %s: %s", path, error.strerror)  # noqa: TRY400  (one line will do)
