"""Which module may import which. `violations` reads source text, so that the rules themselves can be tested."""

import ast
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("harness", "targets", "scenarios", "reports")
GROUND = "ground"  # harness/system/ and the modules at the root of harness/, which know nothing of what is measured
ROOMS = {  # a room, and the rooms that it may import, by whatever kind of import; every room may import GROUND
    GROUND: "",
    "wire": "",
    "plan": "wire",
    "record": "plan",
    "measure": "wire plan record",
    "search": "plan",
    "judge": "plan record search",
    "run": "plan record measure judge search",
    "training": "wire plan record measure judge run",
    "calibration": "wire plan record measure judge run",
    "users": "measure plan",
    "cli": "wire plan record measure judge run search training calibration targets reports",
    "targets": "wire plan record training",
    "scenarios": "users",
    "reports": "wire plan record judge training calibration",
}
IN_HARNESS = ("wire", "plan", "record", "measure", "search", "judge", "run", "training", "calibration", "users", "cli")
MOST_MODULES = 15  # side by side in one folder
HOMES = {  # a library, and the only files that may import it
    ("locust", "gevent", "greenlet"): ("harness/measure/load/locust/*", "scenarios/*"),
    ("keras", "tensorflow", "torch", "jax", "onnxruntime", "openvino", "ai_edge_litert"): ("targets/*",),
    ("pynvml",): ("harness/measure/samplers/machine/gpu.py",),
    ("matplotlib", "jinja2"): ("reports/*",),
}
CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
          "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns")  # fmt: skip
DATES = ("now", "utcnow", "today")
ESTIMATORS = ("percentile", "nanpercentile", "quantile", "nanquantile", "quantiles", "scoreatpercentile", "mquantiles",
              "median", "nanmedian", "mean", "average", "nanmean", "std", "stdev", "bootstrap")  # fmt: skip


def violations(path: str, source: str) -> list[str]:
    """What the module at `path` (from the root) does that the design forbids."""
    found: list[str] = []
    nodes = list(ast.walk(ast.parse(source)))
    home = room_of(module_name(path))
    for module in {name for node in nodes for name in imported(node)}:
        top = module.partition(".")[0]
        other = room_of(module) if top in FOLDERS else home
        if other not in (home, GROUND, *ROOMS[home].split()):
            found.append(f"{path} imports {module}")
        found += [f"{path} imports {module}" for libraries, homes in HOMES.items()
                  if top in libraries and not among(path, homes)]  # fmt: skip
        if home == "reports" and module.startswith("harness.judge.stats"):
            found.append(f"{path} imports {module}: a report computes no number")
    aliases = {alias.asname: alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)
               for alias in node.names if alias.asname}  # fmt: skip
    for known_as, name in {use for node in nodes for use in used(node)}:
        owner = aliases.get(known_as, known_as)
        reads_clock = (owner == "time" and name in CLOCKS) or (owner in ("datetime", "date") and name in DATES)
        if reads_clock and path != "harness/clock.py":
            found.append(f"{path} reads a clock: {owner}.{name}")
        if path.startswith("reports/") and name in ESTIMATORS:
            found.append(f"{path} computes a {name}")
    return sorted(found)


def module_name(path: str) -> str:
    """`harness.judge.checks` of `harness/judge/checks/__init__.py`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str:
    """The room of a module of the project; `__main__`, which starts the command line, is in `cli`."""
    first, _, rest = module.partition(".")
    second = rest.partition(".")[0]
    if first != "harness":
        return first
    return "cli" if second == "__main__" else second if second in IN_HARNESS else GROUND


def among(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def imported(node: ast.AST) -> list[str]:
    """Modules that an import names: `from a import b` names a and a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        return [str(node.args[0].value)] if name in ("import_module", "__import__") else []
    return []


def used(node: ast.AST) -> list[tuple[str, str]]:
    """What is taken out of what: `a.b.c` takes c of b, `from a import c` c of a."""
    if isinstance(node, ast.Attribute):
        owner = node.value
        return [(getattr(owner, "attr", getattr(owner, "id", "")), node.attr)]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "", alias.name) for alias in node.names]
    return []


def project_files() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def import_graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """The modules that each module of `sources` (source text by name) imports, at whatever place in its text."""
    graph = {}
    for module, source in sources.items():
        named = {name for node in ast.walk(ast.parse(source)) for name in most_exact(node, sources)}
        graph[module] = named & set(sources) - {module}
    return graph


def most_exact(node: ast.AST, known: dict[str, str]) -> list[str]:
    """What an import names: of `from a import b` the module a.b where there is one, else a."""
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in known else node.module for name in names]
    return imported(node)


def in_circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that reach themselves."""
    return {module for module in graph if module in reachable(module, graph)}


def reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += graph.get(module, ())
    return seen


def public_classes(sources: dict[str, str]) -> list[str]:
    """Names of public classes; programs in `targets/external` run in environments of their own."""
    ours = [source for module, source in sources.items() if not module.startswith("targets.external")]
    classes = [node for source in ours for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return [each.name for each in classes if not each.name.startswith("_")]


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {module_name(path): (ROOT / path).read_text() for path in project_files()}


@pytest.mark.parametrize("path", project_files())
def test_every_module_keeps_to_the_design(path):
    assert violations(path, (ROOT / path).read_text()) == []


def test_there_is_something_to_check():
    assert {path.partition("/")[0] for path in project_files()} == set(FOLDERS)
    assert {room_of(module_name(path)) for path in project_files()} | {"users"} == set(ROOMS)


def test_no_modules_import_each_other_in_a_circle(sources):
    assert in_circles(import_graph(sources)) == set()


def test_no_folder_is_too_full():
    folders = Counter(path.rpartition("/")[0] for path in project_files() if not path.endswith("/__init__.py"))
    assert {folder for folder, count in folders.items() if count > MOST_MODULES} == set()


def test_no_two_public_classes_have_one_name(sources):
    counts = Counter(public_classes(sources))
    assert {name for name, count in counts.items() if count > 1} == set()


def test_a_circle_is_found_through_type_only_and_lazy_imports():
    sources = {
        "a": "import typing\nif typing.TYPE_CHECKING:\n    from b import B",
        "b": "def f():\n    from c.d import D",
        "c": "",
        "c.d": "import importlib\nimportlib.import_module('a')",
        "end": "import a",
        "beginning": "",
    }
    assert in_circles(import_graph(sources)) == {"a", "b", "c.d"}
    assert in_circles(import_graph({**sources, "c.d": "import end\nimport beginning"})) == {"a", "b", "c.d", "end"}
    assert in_circles(import_graph({**sources, "c.d": "import beginning"})) == set()


def test_class_names_are_counted_where_they_are_public():
    assert public_classes({"a": "class A: ...\nclass _B: ...", "b": "class A:\n    class C: ..."}) == ["A", "A"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/judge/numbers/trial_rows.py", "import keras"),
        ("harness/judge/numbers/trial_rows.py", "def f():\n    from tensorflow.keras import layers"),
        ("harness/judge/numbers/trial_rows.py", "import importlib\nimportlib.import_module('torch.nn')"),
        ("harness/judge/numbers/trial_rows.py", "from reports import text"),
        ("harness/judge/numbers/trial_rows.py", "import targets.batched"),
        ("harness/judge/numbers/trial_rows.py", "if TYPE_CHECKING:\n    from scenarios import predict"),
        ("harness/judge/numbers/trial_rows.py", "import gevent.hub"),
        ("harness/measure/target/session.py", "if TYPE_CHECKING:\n    from harness.judge.metrics import Interval"),
        ("harness/measure/trial.py", "def f():\n    from harness.judge import trial_summary"),
        ("harness/judge/trial_summary.py", "from harness.measure import trial"),
        ("harness/record/run_dir.py", "import harness.judge.metrics"),
        ("harness/clock.py", "from harness.plan.plan import Plan"),
        ("harness/wire/codec.py", "from harness.plan import knobs"),
        ("harness/run/grid_run.py", "from harness.wire.codec import make_codec"),
        ("targets/serving.py", "from harness.judge.metrics import Interval"),
        ("reports/page.py", "from harness.measure.trial import run_trial"),
        ("harness/measure/load/client.py", "import locust"),
        ("harness/measure/samplers/process_tree.py", "import pynvml"),
        ("harness/judge/numbers/trial_rows.py", "import matplotlib.pyplot as plt"),
        ("harness/cli/main.py", "import jinja2"),
        ("harness/cli/main.py", "import keras"),
        ("harness/judge/numbers/trial_rows.py", "import time\ntime.monotonic_ns()"),
        ("targets/batched.py", "from time import perf_counter"),
        ("targets/batched.py", "import time as t\nt.monotonic()"),
        ("scenarios/predict.py", "from datetime import datetime as D\nD.now()"),
        ("reports/page.py", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
        ("targets/batched.py", "import locust"),
        ("targets/batched.py", "from reports import page"),
        ("scenarios/predict.py", "import targets"),
        ("reports/page.py", "from targets import TARGETS"),
        ("reports/page.py", "import numpy as np\nnp.percentile([1, 2], 99)"),
        ("reports/page.py", "rows.latency.quantile(0.99)"),
        ("reports/page.py", "from statistics import quantiles"),
        ("reports/page.py", "from harness.judge.stats.quantiles import anything"),
        ("reports/page.py", "from harness.judge import stats"),
    ],
)
def test_the_check_turns_red(path, source):
    assert violations(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/cli/sweep.py", "from reports import page\nfrom targets import TARGETS\nimport harness.plan.plan"),
        ("harness/measure/load/locust/users.py", "import gevent\nfrom locust import User"),
        ("harness/clock.py", "import time\ntime.monotonic_ns()"),
        ("harness/judge/numbers/trial_rows.py", "import time\ntime.sleep(1)\nfrom datetime import timedelta"),
        ("harness/measure/samplers/machine/gpu.py", "import pynvml"),
        ("scenarios/predict.py", "from locust import User\nfrom harness.users import InferenceUser"),
        ("targets/batched.py", "import keras\nfrom harness.clock import monotonic_ns\nfrom targets import models"),
        ("reports/page.py", "import jinja2\nfrom harness.judge.metrics import PointResult\npoint.p99.value"),
    ],
)
def test_the_check_stays_green_where_nothing_is_wrong(path, source):
    assert violations(path, source) == []
