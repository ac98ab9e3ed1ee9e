"""Names at the ends of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.charts.svg import HEIGHT, TEXT, of_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

_LABEL_GAP = 12.0  # units between labels
_LONGEST_LABEL = 22


def label_ends(
    axes: Axes, ends: Sequence[tuple[str, float, float]], indices: Mapping[str, int | None] | None = None
) -> None:
    """Each name at its (x, y), moved a little apart where they would cover each other.

    `indices` are those of the lines by name, where a reader can hide them.
    """
    placed = sorted((float(axes.transData.transform((x, y))[1]), name, x, y) for name, x, y in ends)
    level = -float(HEIGHT)
    for height, name, x, y in placed:
        if level + _LABEL_GAP - height > _LABEL_GAP:
            continue  # too far from its line; the legend has it
        level = max(height, level + _LABEL_GAP)
        axes.annotate(_shortened(name), (x, y), xytext=(9, level - height), textcoords="offset points", va="center",
                      fontsize=9.5, color=TEXT, annotation_clip=False,
                      **of_line((indices or {}).get(name)))  # fmt: skip


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}\u2026"
