"""Every figure of the README is one of the committed results of the benchmarks."""

import json
import math
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "docs" / "benchmarks"
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURE = (BENCHMARKS / "curves" / "default.svg").read_text(encoding="utf-8")
LINE = re.compile(r"^\| (.*) \| .* \| ([\d.]+) \(([\d.]+) to ([\d.]+)\) \| \[(\w+)\]", re.MULTILINE)
CLAIMS = {found[4]: found for found in LINE.findall(TEXT)}
COLUMNS = {"kernels": "torch / out=", "l1": "times liblinear"}
"""The column with the ratios of a result, where it isn't "times faster"."""


def column(name: str, title: str) -> list[float]:
    rows = json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    return [row[title] for row in rows if row.get(title) is not None]


def two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def test_the_table_has_claims():
    table = TEXT.partition("## Speed")[2].partition("\n\nMeans are")[0]
    assert len(CLAIMS) == table.count("\n| ") - 1 > 5  # one line is the table's head


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_what_was_measured(name: str):
    what, mean, least, most, _ = CLAIMS[name]
    ratios = column(name, COLUMNS.get(name, "times faster"))
    geometric = math.exp(sum(map(math.log, ratios)) / len(ratios))
    assert (mean, least, most) == tuple(map(two_digits, (geometric, min(ratios), max(ratios))))
    counted = re.search(r"(\d+) (?:\w+ )?data sets", what)
    assert counted is None or int(counted[1]) == len(ratios)


def test_the_picture_shows_the_results():
    rows = json.loads((BENCHMARKS / "default.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        assert f">{row['problem']}</text>" in PICTURE
    shown = re.findall(r">([\d.e+]+) ×</text>", PICTURE)
    ordered = sorted(rows, key=lambda row: row["scikit-learn ms"])
    assert shown == [f"{row['times faster']:.2g}" for row in ordered]
    described = re.search(r"!\[.*on (\d+) data sets: .* takes ([\d.]+) to ([\d.]+) times", TEXT)
    ratios = [row["times faster"] for row in rows]
    assert described is not None
    assert described.groups() == (str(len(rows)), *map(two_digits, (min(ratios), max(ratios))))


def test_the_seconds_of_a_first_fit():
    told = re.search(
        r"compiles kernels, for (\d+) to (\d+) s; later processes take ([\d.]+) to ([\d.]+) s",
        TEXT.replace("\n", " "),
    )
    assert told is not None
    cold = column("cold_start", "empty cache s")
    warm = column("cold_start", "filled cache s")[: len(cold)]
    assert float(told[1]) <= min(cold) and max(cold) <= float(told[2])
    assert float(told[3]) <= round(min(warm), 1) and max(warm) <= float(told[4])
