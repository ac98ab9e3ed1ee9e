"""The service-time curve s(b) = a*b + t0 of a model, fitted by least squares to its last batches."""

from __future__ import annotations

from collections import deque

WINDOW_BATCHES = 50


class ServiceCurve:
    """Predicts how long a batch of b rows takes, in nanoseconds.

    Where all batches have the same b there is no slope to fit, and the prediction is the mean.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=WINDOW_BATCHES)
        self._slope_ns = 0.0
        self._intercept_ns = 0.0

    def observe(self, rows: int, compute_ns: int) -> None:
        """Add one batch and drop the one 50 batches ago; the next prediction fits the curve again."""
        self._seen.append((rows, compute_ns))
        self._slope_ns = -1.0

    def predict_ns(self, rows: int) -> float:
        """The service time a*rows + t0; 0 before the first batch."""
        if self._slope_ns < 0:
            self._fit()
        return self._slope_ns * rows + self._intercept_ns

    def _fit(self) -> None:
        count = len(self._seen)
        mean_rows = sum(rows for rows, _ in self._seen) / count
        mean_ns = sum(compute_ns for _, compute_ns in self._seen) / count
        spread = sum((rows - mean_rows) ** 2 for rows, _ in self._seen)
        together = sum((rows - mean_rows) * (compute_ns - mean_ns) for rows, compute_ns in self._seen)
        # A larger batch never takes less time: a negative slope is noise.
        self._slope_ns = max(0.0, together / spread) if spread else 0.0
        self._intercept_ns = mean_ns - self._slope_ns * mean_rows
