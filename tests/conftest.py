"""Sorts the tests: end-to-end by folder, and unit tests by what they may not do. Compares prose with golden files."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("any-machine", deadline=None)  # an example may take any time: the machine may be busy
settings.load_profile("any-machine")

SYSTEM_CALLS = {"socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn"}
made: list[str] = []  # system calls of the test that runs
sys.addaudithook(lambda event, _: made.append(event) if event in SYSTEM_CALLS else None)


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="rewrite the golden files with what the code says now")


@pytest.fixture
def golden(request):
    """Compares a text with the file of that name in tests/golden/; with --update it writes that file."""

    def compare(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"{path.name} differs; `pytest --update` rewrites it, `git diff` shows it"

    return compare


def pytest_collection_modifyitems(items):
    for item in items:
        if "/e2e/" in item.path.as_posix() and item.get_closest_marker("long") is None:
            item.add_marker("e2e")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a unit test, or its fixtures, that opened a socket or started a process."""
    result = yield
    if made and not any(item.get_closest_marker(name) for name in ("process", "e2e", "long")):
        pytest.fail(f"needs the mark `process`: {', '.join(sorted(set(made)))}")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    made.clear()
    return (yield)
