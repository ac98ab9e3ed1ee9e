"""From a matplotlib figure to an SVG element for a page: small, named, without colours of its own.

Charts are drawn in stand-in colours, one per role. `to_svg` puts CSS variables in their place, so that one SVG
serves light and dark, and leaves out everything that is not the drawing.
"""

from __future__ import annotations

import io
import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 400, 280  # units of the drawing; about the pixels of a phone
TEXT, MUTED, GRID, SURFACE, LIMIT, ACCENT, GREY = (f"#0a0b{number:02x}" for number in range(1, 8))
_SERIES = "#0c0d"
_TIP = "tip-"
_LINE = "line-"
_ROLES = {
    TEXT: "var(--text)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    SURFACE: "var(--surface)",
    LIMIT: "var(--limit)",
    ACCENT: "var(--accent)",
    GREY: "var(--other)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.image_inline": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same layout everywhere
    "font.size": 11,
    "text.color": TEXT,
    "axes.facecolor": "none",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.minor.size": 0,
    "lines.linewidth": 2,
    "lines.markersize": 6.5,
    "text.parse_math": False,  # a knob's value may hold a dollar sign
}


def series_colour(index: int | None) -> str:
    """The stand-in for the colour of line `index`; grey for None."""
    return GREY if index is None else f"{_SERIES}{index:02x}"


@contextmanager
def drawing() -> Iterator[tuple[Figure, Axes]]:
    """A figure of the house's style and its axes, closed to the rest of matplotlib."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser has fonts for what matplotlib cannot measure
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72, layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        yield figure, figure.add_subplot()


def lay_out(figure: Figure) -> None:
    """Lay the figure out as it is now, so that lengths on the paper are known."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def mark_tip(axes: Axes, place: tuple[float, float], number: int, line: int | None = None) -> None:
    """An invisible mark over a point of a line, for the `number`-th of the tips that `to_svg` is given."""
    axes.plot(*([value] for value in place), linestyle="none", marker="o", markersize=13, color=GREY, alpha=0.0,
              gid=f"{_TIP}{number}.{'' if line is None else line}", zorder=9)  # fmt: skip


def of_line(index: int | None) -> dict[str, Any]:
    """What marks an artist as a part of the line with colour `index`, which a reader can hide."""
    return {} if index is None else {"gid": f"{_LINE}{index}."}


def to_svg(figure: Figure, key: str, title: str, description: str, tips: Sequence[str] = ()) -> Markup:
    """An `<svg>` element named by `title` and `description`; `key` keeps its ids apart from those of other charts.

    `tips` are shown under the pointer and at the focus of the keyboard, where `mark_tip` made a mark.
    """
    import matplotlib as mpl

    file = io.StringIO()
    lay_out(figure)
    with mpl.rc_context({"svg.hashsalt": key}):
        figure.set_layout_engine("none")  # with one, the figure would be drawn twice
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    body = file.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"^<svg[^>]*>", "", body, count=1)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*</defs>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="matplotlib.axis_([12])"', lambda found: f'<g class="axis-{" xy"[int(found[1])]}"', body)
    body = re.sub(r'<g id="[xy]tick_\d+"', '<g class="axis-tick"', body)
    body = re.sub(rf'<g id="{_LINE}(\d+)\.[^"]*"', r'<g data-line="\1"', body)
    body = re.sub(r'<g id="(?:figure|axes|patch|text|line2d|FillBetween)[^"]*"', "<g", body)
    body = re.sub(r'(id="|href="#|url\(#)(?=\w)', rf"\g<1>{key}-", body)
    body = re.sub(r"font(?:-family)?: [^;\"]*sans-serif[^;\"]*", _font, body)
    body = re.sub(rf"{_SERIES}([0-9a-f]{{2}})", lambda found: f"var(--series-{int(found[1], 16)})", body)
    for colour, role in _ROLES.items():
        body = body.replace(colour, role)
    body = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d+\.\d\d)\d+", r"\1", tag[0]), body)
    body = re.sub(r"[ \n]+", " ", body).replace("> <", "><").strip()
    body = re.sub(rf'<g id="{key}-{_TIP}(\d+)\.(\d*)">', lambda found: _tip(tips[int(found[1])], found[2]), body)
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-title {key}-desc"'
        f"{_scales(figure)}>"
        f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(description)}</desc>'
    )
    return Markup(head + body)  # noqa: S704  (matplotlib escapes the texts that it is given)


def _scales(figure: Figure) -> str:
    """Where the axes lie on the paper and what they show, for zooming: left, top, right, bottom; kind, low, high."""
    (axes,) = figure.axes
    box = axes.get_window_extent()
    sides = (box.x0, HEIGHT - box.y1, box.x1, HEIGHT - box.y0)
    limits = ((axes.get_xscale(), *axes.get_xlim()), (axes.get_yscale(), *axes.get_ylim()))
    of_x, of_y = (f"{scale} {low:.6g} {high:.6g}" for scale, low, high in limits)
    return f' data-box="{" ".join(f"{side:.2f}" for side in sides)}" data-x="{of_x}" data-y="{of_y}"'


def _tip(words: str, line: str) -> str:
    of_line = f' data-line="{line}"' if line else ""
    name = escape(words)
    return f'<g class="tip"{of_line} tabindex="0" role="img" aria-label="{name}"><title>{name}</title>'


def _font(found: re.Match[str]) -> str:
    size = re.search(r"([\d.]+)px", found[0])
    weight = "font-weight: 700; " if "bold" in found[0] or re.search(r"\b700\b", found[0]) else ""
    return f"{weight}font-size: {size[1]}px" if size else "font-family: inherit"
