"""Who may know whom. `violations` reads source text, so that the rules themselves can be tested."""

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("harness", "targets", "scenarios", "reports")
COMPOSITION_ROOT = ("harness/__main__.py", "harness/cli/*")
MAY_IMPORT = {"harness": (), "targets": ("harness",), "scenarios": ("harness",), "reports": ("harness",)}
HOMES = {  # a library, and the only files that may import it
    ("locust", "gevent", "greenlet"): ("harness/measure/load/locust/*", "scenarios/*"),
    ("keras", "tensorflow", "torch", "jax", "onnxruntime", "openvino", "ai_edge_litert"): ("targets/*",),
    ("pynvml",): ("harness/measure/samplers/gpu.py",),
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
    for module in {name for node in nodes for name in imported(node)}:
        top = module.partition(".")[0]
        home = path.partition("/")[0]
        if top in FOLDERS and top not in (home, *MAY_IMPORT[home]) and not among(path, COMPOSITION_ROOT):
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


@pytest.mark.parametrize("path", project_files())
def test_every_module_keeps_to_the_design(path):
    assert violations(path, (ROOT / path).read_text()) == []


def test_there_is_something_to_check():
    assert {path.partition("/")[0] for path in project_files()} == set(FOLDERS)


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
        ("harness/measure/samplers/gpu.py", "import pynvml"),
        ("scenarios/predict.py", "from locust import User\nfrom harness.measure.load import users"),
        ("targets/batched.py", "import keras\nfrom harness.clock import monotonic_ns\nfrom targets import models"),
        ("reports/page.py", "import jinja2\nfrom harness.judge.metrics import PointResult\npoint.p99.value"),
    ],
)
def test_the_check_stays_green_where_nothing_is_wrong(path, source):
    assert violations(path, source) == []
