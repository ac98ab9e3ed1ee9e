"""Makes `fits_of` importable: tests are no package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
