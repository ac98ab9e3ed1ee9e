"""Makes the tests' own helpers (`evidence_of`, `queueing`) importable: tests are no package."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE / "stats")]
