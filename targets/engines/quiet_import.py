"""Imports TensorFlow without its log messages, unless the user sets TF_CPP_MIN_LOG_LEVEL."""

from __future__ import annotations

import os
import sys
import tempfile

STDERR = 2


def import_tensorflow() -> None:
    """Import TensorFlow and Keras with standard error suppressed; where the import fails, the output is shown.

    The libraries write to the descriptor before their log level takes effect, so the descriptor is redirected.
    """
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
