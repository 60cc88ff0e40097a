"""Line charts as SVG, and the axes and SVG elements that all charts share.

A chart is 360 units wide, about the width in pixels of a phone or of a column of the page, so its
text has nearly the size of the surrounding text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fastclf.report.markup import Markup, element, join
from fastclf.report.scales import Scale
from fastclf.report.wording import count_text, number_text, plain_text, shortened, text_width

WIDTH = 360.0
TEXT = 11.5  # font size, in units of the drawing
COLOURS = 8  # number of colour classes in the style sheet: .c0 to .c7

_MOST_POINTS = 360
_MOST_HOVERED = 60
_LABEL_ROOM = 92.0


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Parameters
    ----------
    name : str
        Label at the end of the line, drawn only if the chart has several lines.
    x, y : sequence of float
        The points. A value outside the axes, or NaN, leaves a gap in the line.
    colour : int
        Index of its colour class in the style sheet.
    kind : {"solid", "dashed", "dotted"}
    ringed : int, optional
        Index of the point to mark with a ring.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    kind: str = "solid"
    ringed: int | None = None


@dataclass(frozen=True)
class Frame:
    """The axes of a chart, and the conversion from values to SVG coordinates.

    Parameters
    ----------
    x, y : Scale
    title : str
        Title of the x axis.
    right : float
        Width of the right margin, which holds the labels of the lines.
    height : float
        Height of the drawing.
    side : str
        Title of the y axis; empty for none.
    """

    x: Scale
    y: Scale
    title: str
    right: float = 14.0
    height: float = 216.0
    side: str = ""

    @cached_property
    def left(self) -> float:
        """The x coordinate of the y axis, to the right of its tick labels."""
        texts = (text_width(text, TEXT) for _, text in self.y.ticks())
        return max(26.0, max(texts, default=0.0) + 9) + (17 if self.side else 0)

    @property
    def bottom(self) -> float:
        """The y coordinate of the x axis."""
        return self.height - 36

    def x_of(self, value: float) -> float:
        """Return the SVG coordinate of a value on the x axis."""
        return self.left + self.x.position(value) * (WIDTH - self.right - self.left)

    def y_of(self, value: float) -> float:
        """Return the SVG coordinate of a value on the y axis."""
        return self.bottom - self.y.position(value) * (self.bottom - 8)

    def drawn(self) -> Markup:
        """Return the grid lines, the ticks and the titles of both axes."""
        end = WIDTH - self.right
        parts = []
        for value, text in self.y.ticks():
            at = self.y_of(value)
            parts += [
                element("path", class_="grid", d=f"M{self.left:.1f} {at:.1f}H{end:.1f}"),
                svg_text(text, self.left - 6, at + 4, "end"),
            ]
        base = f"M{self.left:.1f} {self.bottom:.1f}H{end:.1f}"
        reached = -math.inf
        for value, text in self.x.ticks():
            at, half = self.x_of(value), text_width(text, TEXT) / 2
            if at - half < reached:
                continue
            reached = at + half + 8
            base += f"M{at:.1f} {self.bottom:.1f}v4"
            parts.append(svg_text(text, at, self.bottom + 17, "middle"))
        parts.append(element("path", class_="axis", d=base))
        middle = (self.left + end) / 2
        parts.append(svg_text(self.title, middle, self.height - 3, "middle", "muted"))
        if self.side:
            parts.append(vertical_text(self.side, 10, (self.bottom + 8) / 2))
        return join(parts)


def line_chart(
    lines: Sequence[Line],
    x: Scale,
    y: Scale,
    title: str,
    alt_text: str,
    *,
    named: bool = True,
    marked: float | None = None,
    height: float = 216.0,
) -> Markup:
    """Return a line chart.

    Parameters
    ----------
    lines : sequence of Line
    x, y : Scale
    title : str
        Title of the x axis.
    alt_text : str
        Description of the chart for screen readers.
    named : bool
        Whether to write each line's name at its end; pass False if the page has a legend.
    marked : float, optional
        Value of x at which to draw a vertical line.
    height : float
        Height of the drawing.
    """
    named = named and len(lines) > 1 and all(line.name for line in lines)
    texts = {line.name: shortened(line.name, _LABEL_ROOM, TEXT) for line in lines}
    room = max(text_width(text, TEXT) for text in texts.values()) + 14 if named else 14.0
    frame = Frame(x, y, title, right=room, height=height)
    parts: list[Markup | None] = [frame.drawn()]
    if marked is not None and x.low <= marked <= x.high:
        at = frame.x_of(marked)
        parts.append(element("path", class_="mark", d=f"M{at:.1f} 4V{frame.bottom:.1f}"))
    parts += [_line_element(line, frame) for line in lines]
    if named:
        ends = [(line, _end(line, frame)) for line in lines]
        seen = [(line, end) for line, end in ends if end is not None]
        heights = spread([end for _, end in seen], 13.5, 8, frame.bottom)
        for (line, _), at in zip(seen, heights, strict=True):
            colour = f"label c{line.colour % COLOURS}"
            parts.append(svg_text(texts[line.name], WIDTH - room + 6, at + 4, "start", colour))
    return svg(WIDTH, frame.height, alt_text, *parts)


def svg(width: float, height: float, alt_text: str, *parts: Markup | None) -> Markup:
    """Return an SVG image with the given elements, and a description for screen readers."""
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=alt_text,
    )


def svg_text(text: str, x: float, y: float, anchor: str, kind: str | None = None) -> Markup:
    """Return an SVG text element; ``kind`` is its CSS class."""
    return element("text", text, class_=kind, x=float(x), y=float(y), text_anchor=anchor)


def vertical_text(text: str, x: float, y: float) -> Markup:
    """Return a text that is rotated to read upward and centred at (x, y)."""
    place = f"translate({x:g} {y:g}) rotate(-90)"
    return element("text", text, class_="muted", transform=place, text_anchor="middle")


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions near the wanted ones, in the same order, at least ``gap`` apart.

    The gap is reduced if not all positions fit between ``low`` and ``high``.

    Examples
    --------
    >>> from fastclf.report.chart import spread
    >>> spread([50.0, 52.0, 10.0], 10, 0, 55)
    [45.0, 55.0, 10.0]
    """
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    # Overlapping neighbours are merged into a block, centred at the mean of their wanted positions.
    blocks: list[tuple[float, list[int]]] = []
    for i in order:
        blocks.append((min(max(wanted[i], low), high), [i]))
        while len(blocks) > 1 and _overlap(blocks[-2], blocks[-1], gap):
            (_, below), (_, above) = blocks[-2:]
            members = below + above
            centre = sum(wanted[j] for j in members) / len(members)
            half = gap * (len(members) - 1) / 2
            blocks[-2:] = [(min(max(centre, low + half), high - half), members)]
    for centre, members in blocks:
        first = centre - gap * (len(members) - 1) / 2
        for number, j in enumerate(members):
            places[j] = first + number * gap
    return places


def _overlap(below: tuple[float, list[int]], above: tuple[float, list[int]], gap: float) -> bool:
    needed = gap * (len(below[1]) + len(above[1])) / 2
    return above[0] - below[0] < needed - 1e-9


def _points(line: Line, frame: Frame) -> list[tuple[int, float, float] | None]:
    """Return (index, x, y) of each point in SVG coordinates; None where the line has a gap."""
    points: list[tuple[int, float, float] | None] = []
    for number, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
        known = frame.x.contains(x) and frame.y.contains(y)
        points.append((number, frame.x_of(x), frame.y_of(y)) if known else None)
    return points


def _end(line: Line, frame: Frame) -> float | None:
    return next((point[2] for point in reversed(_points(line, frame)) if point), None)


def _line_element(line: Line, frame: Frame) -> Markup:
    points = _points(line, frame)
    known = [point for point in points if point]
    colour = f"c{line.colour % COLOURS}"
    path, pen_up = [], True
    for point in _thinned(points):
        if point is not None:
            path.append(f"{'M' if pen_up else 'L'}{point[1]:.1f} {point[2]:.1f}")
        pen_up = point is None
    parts = (
        [element("path", class_=f"line {line.kind} {colour}", d="".join(path))]
        if len(known) > 1
        else []
    )
    if known:
        parts.append(_dot(known[-1], 2.6, f"dot {colour}"))
    if line.ringed is not None and (ringed := points[line.ringed]):
        parts.append(_dot(ringed, 4.5, f"ring {colour}"))
    if len(known) <= _MOST_HOVERED:
        for point in known:
            x, y = line.x[point[0]], line.y[point[0]]
            at = count_text(x) if frame.x.whole else plain_text(x)
            label = f"{line.name + ': ' if line.name else ''}{number_text(y)} at {frame.title} {at}"
            parts.append(_dot(point, 7, "hover", element("title", label)))
    return element("g", *parts)


def _dot(point: tuple[int, float, float], radius: float, kind: str, *within: Markup) -> Markup:
    return element("circle", *within, class_=kind, cx=point[1], cy=point[2], r=radius)


def _thinned(
    points: list[tuple[int, float, float] | None],
) -> list[tuple[int, float, float] | None]:
    """Return at most about 360 points: the first, highest, lowest and last of each section."""
    if len(points) <= _MOST_POINTS:
        return points
    size = -(-len(points) * 4 // _MOST_POINTS)
    kept: list[tuple[int, float, float] | None] = []
    for start in range(0, len(points), size):
        piece = points[start : start + size]
        known = [point for point in piece if point]
        if len(known) < len(piece):
            kept.append(None)
        if known:
            low, high = (edge(known, key=lambda point: point[2]) for edge in (min, max))
            kept += sorted({known[0], low, high, known[-1]})
    return kept
