"""Draw the figures of docs/theory.md."""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from fastclf import functional as F

RESULTS = Path(__file__).parent.parent / "docs" / "figures"

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Colours that colour-blind readers can distinguish (Okabe and Ito)."""

STYLE = {
    # An opaque white card is readable on light and on dark pages.
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
}

LOGITS = (2.0, 1.0, 0.5, -1.0)


def sigmoid(folder: Path) -> None:
    z = np.linspace(-8, 8, 401)
    figure, axes = plt.subplots(figsize=(5.2, 2.6), layout="constrained")
    axes.plot(z, F.sigmoid(z), color=COLOURS[0])
    axes.plot(z, F.sigmoid_derivative(z), color=COLOURS[1])
    axes.axhline(0.25, color=COLOURS[1], linewidth=0.8, linestyle=":")
    axes.text(3.1, 0.84, "σ(z)", color=COLOURS[0])
    axes.text(2.2, 0.13, "σ'(z) = σ(z) σ(-z)", color=COLOURS[1])
    axes.text(-7.9, 0.27, "¼, the largest slope", color=COLOURS[1])
    axes.set(xlabel="logit z", xlim=(-8, 8), ylim=(0, 1.02))
    save(figure, folder / "sigmoid.png")


def temperature(folder: Path) -> None:
    T = np.logspace(-1.3, 2, 301)
    p = np.array([F.softmax(LOGITS, t) for t in T])
    figure, axes = plt.subplots(figsize=(5.2, 2.8), layout="constrained")
    for k, (z, colour) in enumerate(zip(LOGITS, COLOURS, strict=True)):
        axes.plot(T, p[:, k], color=colour, label=f"z = {z:g}")
    axes.axhline(1 / len(LOGITS), color="#666666", linewidth=0.8, linestyle=":")
    axes.axvline(1, color="#666666", linewidth=0.8, linestyle=":")
    axes.text(1.06, 0.94, "T = 1", color="#444444")
    axes.text(0.055, 0.27, "1/K", color="#444444")
    axes.set(xscale="log", xlabel="temperature T", ylabel="softmax(z / T)", xlim=(T[0], T[-1]))
    axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, loc="upper right")
    save(figure, folder / "temperature.png")


def jacobian(folder: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(5.2, 2.5), layout="constrained")
    for panel, T in zip(panels, (1.0, 0.25), strict=True):
        J = F.softmax_jacobian(LOGITS, T) * T
        image = panel.imshow(J, cmap="RdBu_r", vmin=-0.25, vmax=0.25)
        for (i, j), entry in np.ndenumerate(J):
            colour = "white" if abs(entry) > 0.17 else "black"
            text = f"{entry:.2f}".replace("-0.00", "0.00")
            panel.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
        p = F.softmax(LOGITS, T)
        panel.set_xticks(range(len(p)), [f"{x:.2f}" for x in p])
        panel.set_yticks(range(len(p)), [f"{x:.2f}" for x in p])
        panel.set_title(f"σ of z / {T:g}" if T != 1 else "σ of z", fontsize=9)
        panel.grid(False)
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0)
    figure.colorbar(image, ax=panels, shrink=0.8)
    save(figure, folder / "jacobian.png")


def save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
    print(path.name)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the figures")
    folder = options.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        for draw in (sigmoid, temperature, jacobian):
            draw(folder)


if __name__ == "__main__":
    main()
