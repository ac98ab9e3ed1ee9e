"""Sweepspot's instrument: it plans runs, measures, records and judges them."""

__version__ = "0.1.0"
