"""The style sheet of reports: it is in the package, and its colours can be read."""

import re
from importlib.resources import files
from pathlib import Path

import pytest


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: str, paper: str, share: float) -> str:
    pairs = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(theme: int):
    style = files("fastclf.report").joinpath("style.css").read_text()
    colours = dict(re.findall(r"--([\w]+): (#\w{6}|[\d.]+);", style.split(":root {")[theme + 1]))
    grounds = ("paper", "panel")
    texts = ("ink", "muted", *(f"c{number}" for number in range(8)))
    for ground in grounds:
        for text in texts:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for ground in ("tint", "warning"):
        assert contrast(colours["ink"], colours[ground]) >= 4.5
    for kind in ("right", "wrong"):
        for share in (0.1, 0.5, 1.0):
            cell = mixed(colours[kind], colours["paper"], share * float(colours["heat"]))
            assert contrast(colours["ink"], cell) >= 4.5, (kind, share)


def test_the_style_sheet_is_in_the_package():
    assert Path(str(files("fastclf.report").joinpath("style.css"))).is_file()
