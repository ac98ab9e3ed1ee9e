"""Makes the fits of the metrics' tests importable: tests are no package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "harness" / "training"))
