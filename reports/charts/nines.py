"""An axis for accuracies that gives every further nine the same room."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_MOST_NINES = 3.0  # an accuracy of 1 is drawn as 0.999
_TICKS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_ROOM = 0.12  # of the range, above and below
_FEWEST_TICKS = 3
_AT_LEAST = "\u2265"


def scale_nines(axes: Axes, low: float, high: float) -> None:
    """Scale the vertical axis for shares of 1 from `low` to `high`, with ticks in percent."""
    import numpy as np

    bottom, top = _nines(np.array([max(low, 0.0), high]))
    room = _ROOM * max(float(top - bottom), 0.1)
    axes.set_yscale("function", functions=(_nines, _share))
    bottom_share, top_share = _share(np.array([max(0.0, bottom - room), min(_MOST_NINES + room / 2, top + room)]))
    axes.set_ylim(float(bottom_share), float(top_share))
    ticks = [tick for tick in _TICKS if bottom_share - 1e-9 <= tick <= top_share]
    if len(ticks) < _FEWEST_TICKS:
        ticks = _even_ticks(float(bottom_share), float(top_share))
    axes.set_yticks(ticks, [_label(tick) for tick in ticks])


def _even_ticks(bottom: float, top: float) -> list[float]:
    """As round as they can be and still be enough."""
    import numpy as np

    inside = np.linspace(bottom, top, 2 * _FEWEST_TICKS + 1)[1:-1]
    rounded = (np.unique(inside.round(digits)) for digits in (1, 2, 3, 4))
    found = [[tick for tick in ticks.tolist() if bottom <= tick <= top] for ticks in rounded]
    return next((ticks for ticks in found if len(ticks) >= _FEWEST_TICKS), found[-1])


def _label(tick: float) -> str:
    sign = _AT_LEAST if tick >= 1 - 10**-_MOST_NINES else ""
    return f"{sign}{100 * tick:.4g}"


def _nines(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beyond a share of 1, which only the axis itself reaches, it goes on in a straight line."""
    import numpy as np

    scaled: NDArray[np.float64] = -np.log10(np.maximum(1 - share, 10**-_MOST_NINES)) + np.maximum(share - 1, 0.0)
    return scaled


def _share(nines: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    shares: NDArray[np.float64] = np.where(nines < _MOST_NINES, 1 - np.power(10.0, -nines), 1 + nines - _MOST_NINES)
    return shares
