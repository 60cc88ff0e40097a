"""Charts of the results of ``benchmark.py``; none are drawn if matplotlib isn't installed."""

import io
import math
from pathlib import Path
from typing import Any

from _peers import CONTENDERS
from _precision import GAP, Climb, Rung, gap
from _problems import Problem

try:
    import matplotlib
except ImportError:
    matplotlib = None


def draw_race(problem: Problem, best: float, climbs: list[Climb], path: Path) -> None:
    """Draw each contender's objective gap against seconds, for its best number of threads."""
    if matplotlib is None:
        return
    figure, axes = _panel("relative gap of the objective", ["seconds"])
    for i, contender in enumerate(CONTENDERS):
        rungs = [rung for climb in climbs if climb.contender is contender for rung in climb.rungs]
        seconds, gaps = _envelope(rungs, best)
        if not seconds:
            continue
        axes[0].loglog(
            seconds,
            gaps,
            marker=".",
            linewidth=2.2 if contender.ours else 1.2,
            linestyle="-" if contender.ours else "--",
            color=matplotlib.colormaps["tab20"](i % 20),
            label=contender.name,
        )
    axes[0].axhline(GAP, color="grey", linewidth=0.8)
    n, d = problem.X.shape
    axes[0].set_title(f"{problem.name}: {n} × {d}, K = {problem.K}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right", fontsize=8)
    _save(figure, path)


def _envelope(rungs: list[Rung], best: float) -> tuple[list[float], list[float]]:
    # The seconds and gaps of the rungs that have a lower objective than all faster rungs.
    seconds, gaps, lowest = [], [], math.inf
    for rung in sorted(rungs, key=lambda rung: rung.seconds):
        if rung.objective < lowest:
            lowest = rung.objective
            seconds.append(rung.seconds)
            gaps.append(min(max(gap(lowest, best), 1e-12), 10.0))
    return seconds, gaps


def draw_growth(rows: list[dict], path: Path) -> None:
    """Draw seconds against the number of rows, and against the number of features."""
    if matplotlib is None:
        return
    figure, axes = _panel("seconds", ["n", "d"])
    for one, against in zip(axes, ["n", "d"], strict=True):
        for K in dict.fromkeys(row["K"] for row in rows):
            same = [row for row in rows if (row["against"], row["K"]) == (against, K)]
            seconds = [1e-3 * row["fastclf ms"] for row in same]
            one.loglog([row[against] for row in same], seconds, marker="o", label=f"K = {K}")
        one.legend()
    _save(figure, path)


def draw_comparison(rows: list[dict], path: Path) -> None:
    """Draw milliseconds of a fit by fastclf and by scikit-learn, a line for each problem."""
    if matplotlib is None:
        return
    from matplotlib.figure import Figure

    rows = sorted(rows, key=lambda row: row["scikit-learn ms"])
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9}):
        figure = Figure(figsize=(7.5, 0.19 * len(rows) + 0.9), layout="constrained")
        axes = figure.subplots()
        for name, colour in (("fastclf", "#0072b2"), ("scikit-learn", "#d55e00")):
            axes.plot(
                [row[f"{name} ms"] for row in rows],
                range(len(rows)),
                linestyle="",
                marker="o",
                markersize=5,
                color=colour,
                label=name,
                zorder=2,
            )
        for i, row in enumerate(rows):
            axes.plot(
                [row["fastclf ms"], row["scikit-learn ms"]], [i, i], color="#bbbbbb", zorder=1
            )
            axes.annotate(
                f"{row['times faster']:.2g} ×",
                (max(row["scikit-learn ms"], row["fastclf ms"]), i),
                (7, 0),
                textcoords="offset points",
                va="center",
                color="#555555",
            )
        axes.set(xscale="log", xlabel="milliseconds of a fit, both with their defaults")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(right=3 * max(row["scikit-learn ms"] for row in rows))
        axes.set_yticks(range(len(rows)), [row["problem"] for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="x", linewidth=0.3)
        axes.margins(y=0.03)
        axes.legend(loc="lower right", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})


def _panel(y: str, xs: list[str]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(xs) + 4, 5), layout="constrained")
    axes = figure.subplots(1, len(xs), squeeze=False, sharey=True)[0]
    axes[0].set_ylabel(y)
    for one, x in zip(axes, xs, strict=True):
        one.set_xlabel(x)
        one.grid(which="major", linewidth=0.3)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from PIL import Image  # matplotlib needs it too

    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    picture = Image.open(buffer).convert("RGB")
    few_colours = picture.quantize(128, Image.Quantize.MAXCOVERAGE)  # a third of the file size
    few_colours.save(path, optimize=True)
