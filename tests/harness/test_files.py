"""Where files of the user are kept."""

import os
import tempfile
from pathlib import Path

import pytest

from harness.files import cache_folder


def test_a_user_without_a_home_has_a_cache_among_temporary_files(monkeypatch):
    """As in a container whose user no passwd entry knows."""

    def unknown(_):
        raise KeyError("getpwuid(): uid not found")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()
    assert cache_folder("models") == Path(tempfile.gettempdir()) / f"cache-{os.getuid()}" / "sweepspot" / "models"
