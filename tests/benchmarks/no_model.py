"""`python -m targets` with an engine that costs nothing: the front end alone, decoding and serialising included."""

import sys

from harness.wire.payload_bank import Bank
from targets import loading
from targets.__main__ import main


class Nothing:
    """An engine that has its answers already, to the bank's first rows."""

    def __init__(self, path):
        self._answers = Bank.load(path.parent / "bank.npz").expected

    def predict(self, inputs):
        return self._answers[: len(inputs)]

    @classmethod
    def open(cls, path, options):
        del options
        return cls(path)


if __name__ == "__main__":
    loading.find_engine = lambda name: Nothing
    sys.exit(main())
