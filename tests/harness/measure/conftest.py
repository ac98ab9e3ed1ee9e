"""Tests are no package: helpers beside them are found here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "samplers"))
