"""`python -m harness`: parses the command line, runs the command, returns its exit code."""

from __future__ import annotations

import sys

from harness.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
