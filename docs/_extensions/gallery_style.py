"""The look of the gallery's figures. A warning in a script of the gallery stops the build."""

import warnings
from contextlib import ExitStack
from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler

STYLE = {
    "figure.figsize": (7, 4),
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.prop_cycle": cycler(
        color=["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"]
    ),  # of Okabe and Ito, for all kinds of colour vision
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "lines.linewidth": 2,
    "legend.frameon": False,
    "image.cmap": "viridis",
}
_filters = ExitStack()


def prepare(gallery_conf: dict[str, Any], script: str | None, when: str) -> None:
    """Set the style and the filter of warnings before a script; unset the filter after it."""
    _filters.close()
    if when == "before":
        plt.rcParams.update(STYLE)
        _filters.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error", append=True)
