"""Charts with two axes: lines over a frame that is drawn once, here.

A chart is 360 units wide, which is about what a phone and a column of a page have for it, so that
its text is nearly as large as that around it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fastclf.report.markup import Markup, element, join
from fastclf.report.scales import Scale
from fastclf.report.wording import figure, shortened, width

WIDTH = 360.0
TEXT = 11.5  # the size of letters
COLOURS = 8  # the style sheet has so many: .c0, .c1, ...

_MOST_POINTS = 360
_MOST_HOVERED = 60
_LABEL_ROOM = 92.0


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Parameters
    ----------
    name : str
        Written at its end where it has company.
    x, y : sequence of float
        Values that aren't on the axes, such as NaN, interrupt it.
    colour : int
        Its number in the style sheet.
    kind : {"solid", "dashed", "dotted"}
    ringed : int, optional
        The point that is ringed.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    kind: str = "solid"
    ringed: int | None = None


@dataclass(frozen=True)
class Frame:
    """Axes, and where they are in a drawing.

    Parameters
    ----------
    x, y : Scale
    title : str
        What x is.
    right : float
        Room for labels at the ends of lines.
    height : float
    side : str
        What y is; it needs room of its own.
    """

    x: Scale
    y: Scale
    title: str
    right: float = 14.0
    height: float = 216.0
    side: str = ""

    @cached_property
    def left(self) -> float:
        """Where the axis of x begins, beside the ticks of y."""
        texts = (width(text, TEXT) for _, text in self.y.ticks())
        return max(26.0, max(texts, default=0.0) + 9) + (17 if self.side else 0)

    @property
    def bottom(self) -> float:
        """The height of the axis of x."""
        return self.height - 36

    def across(self, value: float) -> float:
        """Return where a value of x is."""
        return self.left + self.x.position(value) * (WIDTH - self.right - self.left)

    def up(self, value: float) -> float:
        """Return where a value of y is."""
        return self.bottom - self.y.position(value) * (self.bottom - 8)

    def drawn(self) -> Markup:
        """Return grid lines, ticks and the title of x."""
        end = WIDTH - self.right
        parts = []
        for value, text in self.y.ticks():
            at = self.up(value)
            parts += [
                element("path", class_="grid", d=f"M{self.left:.1f} {at:.1f}H{end:.1f}"),
                written(text, self.left - 6, at + 4, "end"),
            ]
        base = f"M{self.left:.1f} {self.bottom:.1f}H{end:.1f}"
        reached = -math.inf
        for value, text in self.x.ticks():
            at, half = self.across(value), width(text, TEXT) / 2
            if at - half < reached:
                continue
            reached = at + half + 8
            base += f"M{at:.1f} {self.bottom:.1f}v4"
            parts.append(written(text, at, self.bottom + 17, "middle"))
        parts.append(element("path", class_="axis", d=base))
        middle = (self.left + end) / 2
        parts.append(written(self.title, middle, self.height - 3, "middle", "muted"))
        if self.side:
            parts.append(sideways(self.side, 10, (self.bottom + 8) / 2))
        return join(parts)


def line_chart(
    lines: Sequence[Line],
    x: Scale,
    y: Scale,
    title: str,
    spoken: str,
    *,
    named: bool = True,
    marked: float | None = None,
) -> Markup:
    """Return lines over their axes.

    Parameters
    ----------
    lines : sequence of Line
    x, y : Scale
    title : str
        What x is.
    spoken : str
        What the chart shows, for those who don't see it.
    named : bool
        Whether the lines' names are written at their ends; else a legend has them.
    marked : float, optional
        A value of x that gets a vertical line.
    """
    named = named and len(lines) > 1 and all(line.name for line in lines)
    texts = {line.name: shortened(line.name, _LABEL_ROOM, TEXT) for line in lines}
    room = max(width(text, TEXT) for text in texts.values()) + 14 if named else 14.0
    frame = Frame(x, y, title, right=room)
    parts: list[Markup | None] = [frame.drawn()]
    if marked is not None and x.low <= marked <= x.high:
        at = frame.across(marked)
        parts.append(element("path", class_="mark", d=f"M{at:.1f} 4V{frame.bottom:.1f}"))
    parts += [_drawn(line, frame) for line in lines]
    if named:
        ends = [(line, _end(line, frame)) for line in lines]
        seen = [(line, end) for line, end in ends if end is not None]
        heights = apart([end for _, end in seen], 13.5, 8, frame.bottom)
        for (line, _), at in zip(seen, heights, strict=True):
            colour = f"label c{line.colour % COLOURS}"
            parts.append(written(texts[line.name], WIDTH - room + 6, at + 4, "start", colour))
    return drawing(WIDTH, frame.height, spoken, *parts)


def drawing(wide: float, high: float, spoken: str, *parts: Markup | None) -> Markup:
    """Return an SVG image of some parts, with a text for those who don't see it."""
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {wide:g} {high:g}",
        role="img",
        aria_label=spoken,
    )


def written(text: str, x: float, y: float, anchor: str, kind: str | None = None) -> Markup:
    """Return a text of a drawing."""
    return element("text", text, class_=kind, x=float(x), y=float(y), text_anchor=anchor)


def sideways(text: str, x: float, y: float) -> Markup:
    """Return a text that reads upward, with its middle at a height."""
    place = f"translate({x:g} {y:g}) rotate(-90)"
    return element("text", text, class_="muted", transform=place, text_anchor="middle")


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places near those wanted, in the same order, at least a gap apart where there is room.

    Examples
    --------
    >>> from fastclf.report.chart import apart
    >>> apart([50.0, 52.0, 10.0], 10, 0, 55)
    [45.0, 55.0, 10.0]
    """
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    # Neighbours that touch become a block around the mean of what they want.
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
    """Return the places of a line's points with their numbers; None where it is interrupted."""
    points: list[tuple[int, float, float] | None] = []
    for number, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
        known = frame.x.holds(x) and frame.y.holds(y)
        points.append((number, frame.across(x), frame.up(y)) if known else None)
    return points


def _end(line: Line, frame: Frame) -> float | None:
    return next((point[2] for point in reversed(_points(line, frame)) if point), None)


def _drawn(line: Line, frame: Frame) -> Markup:
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
            told = f"{line.name + ': ' if line.name else ''}{figure(y)} at {figure(x)}"
            parts.append(_dot(point, 7, "hover", element("title", told)))
    return element("g", *parts)


def _dot(point: tuple[int, float, float], radius: float, kind: str, *within: Markup) -> Markup:
    return element("circle", *within, class_=kind, cx=point[1], cy=point[2], r=radius)


def _thinned(
    points: list[tuple[int, float, float] | None],
) -> list[tuple[int, float, float] | None]:
    """Return of many points the first, highest, lowest and last of each piece."""
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
