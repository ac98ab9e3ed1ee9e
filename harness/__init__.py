"""Sweepspot's instrument: it plans runs, measures, records and judges them."""

import os
import sys

__version__ = "0.1.0"

# `python -m`, with which child processes begin, looks into the current folder first: a user's own `locust.py` there
# would be taken for the library. That folder comes last, unless it holds this package.
_ROOT = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  (pathlib takes some milliseconds)
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and sys.path[0] != _ROOT:
    sys.path.append(sys.path.pop(0))
