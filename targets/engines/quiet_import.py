"""Imports TensorFlow, where it is installed, without its log messages, unless the user sets TF_CPP_MIN_LOG_LEVEL."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec

from harness.errors import UserError

STDERR = 2


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed: it trains the reference models and exports them for other engines."""
    return find_spec("tensorflow") is not None


def require_tensorflow(what: str) -> None:
    """Raise UserError where TensorFlow is not installed; `what` needs it."""
    if not has_tensorflow():
        raise UserError(f"{what} needs TensorFlow, which is not installed: pip install 'sweepspot[tensorflow]'")


def import_tensorflow() -> None:
    """Import TensorFlow and Keras with standard error suppressed; where the import fails, the output is shown.

    Raises UserError where TensorFlow is not installed.

    The libraries write to the descriptor before their log level takes effect, so the descriptor is redirected.
    """
    require_tensorflow("this")
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    kept = os.dup(STDERR)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), STDERR)
        try:
            import keras
            import tensorflow as tf

            del keras, tf
        except BaseException:
            written.seek(0)
            os.write(kept, written.read())
            raise
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
