"""Reads the tables of a trial: rows, token times and samples.

A file whose sum is the one that was written is read as it is. Any other file may be damaged: a trial that was killed
has no sums, and files are changed by disks and by people. Arrow may crash on damaged bytes, so `python -m
harness.record.trial_tables` reads such files in a process of its own, validates them in full, and writes what is whole.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from harness.record.parquet.parquet_file import present
from harness.system.child_process import run_to_end
from harness.system.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa

SALVAGE_LIMIT_S = 600.0
UNJUDGED = ("request_bytes", "response_bytes")  # no figure is computed from these columns of rows
MODULE = "harness.record.trial_tables"


@dataclass(frozen=True, slots=True)
class TrialTables:
    """What a trial's folder holds; `rows` and `tokens` are one table per load process."""

    rows: list[pa.Table] = field(default_factory=list)
    tokens: list[pa.Table] = field(default_factory=list)
    samples: pa.Table | None = None
    damaged: tuple[str, ...] = ()  # names of files of which nothing, or not all, can be read


def read_tables(folder: Path, *, trusted: bool) -> TrialTables:
    """The tables of a trial's folder. `trusted`: the files are as they were written."""
    import pyarrow as pa

    kinds = {kind: present(folder, kind) for kind in ("requests", "tokens", "samples")}
    files = [path for paths in kinds.values() for path in paths]
    unread = UNJUDGED if kinds["tokens"] else (*UNJUDGED, "request")
    tables = {path: read_table(path, unread) for path in files} if trusted else salvaged(files)
    pa.default_memory_pool().release_unused()  # what decoding took: a tenth of what very many rows take
    samples = [tables[path] for path in kinds["samples"] if path in tables]
    return TrialTables(
        rows=[tables[path] for path in kinds["requests"] if path in tables],
        tokens=[tables[path] for path in kinds["tokens"] if path in tables],
        samples=samples[0] if samples else None,
        damaged=tuple(path.name for path in files if path not in tables),
    )


def read_table(path: Path, unread: Collection[str] = ()) -> pa.Table:
    """The table in one file, by its name; those columns of rows that are `unread` may be null. Raises OSError."""
    from harness.record.recorder import read_rows
    from harness.record.samples import read_samples
    from harness.record.token_times import read_tokens

    if path.name.startswith("requests"):
        return read_rows(path, unread)
    return read_tokens(path) if path.name.startswith("tokens") else read_samples(path)


def salvaged(files: Sequence[Path]) -> dict[Path, pa.Table]:
    """The tables of files that may be damaged; those of which nothing can be read are left out."""
    import pyarrow as pa

    if not files:
        return {}
    tables = {}
    with temporary_folder("salvage") as folder:
        left = list(files)
        while left:  # a file that makes the process crash ends it; the files after it are still to be read
            with contextlib.suppress(TimeoutExpired):
                run_to_end([sys.executable, "-m", MODULE, str(folder), *map(str, left)], SALVAGE_LIMIT_S)
            for path in left:
                with contextlib.suppress(OSError), pa.OSFile(str(folder / path.name)) as source:
                    tables[path] = pa.ipc.open_stream(source).read_all()
            tried = [path for path in left if (folder / f"{path.name}.tried").exists()]
            left = [path for path in left if path not in tried] if tried else []
    return tables


def salvage(folder: Path, files: Sequence[Path]) -> None:
    """Write the table of each file to a file of the same name in `folder`, where any of it is whole."""
    import pyarrow as pa

    for path in files:
        (folder / f"{path.name}.tried").touch()
        with contextlib.suppress(pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError):
            table = read_table(path)
            table.validate(full=True)
            partial = folder / f"{path.name}.partial"
            with pa.OSFile(str(partial), "wb") as to, pa.ipc.new_stream(to, table.schema) as stream:
                stream.write_table(table)
            partial.replace(folder / path.name)


if __name__ == "__main__":
    salvage(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
