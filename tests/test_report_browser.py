"""Reports in a real browser: every figure is there, nothing is wider than a phone."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from report_facts import facts_of_many_classes, hostile_facts

from fastclf.config import Recipe, load_recipe
from fastclf.report.page import report_page
from fastclf.runs.comparison import compare_runs
from fastclf.runs.directory import open_run
from fastclf.runs.reporting import run_facts, write_comparison
from fastclf.runs.run import train

ROOT = Path(__file__).parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium; install it to run this"),
]

# The page under test is shown in a frame as it is, with its own policy, and measured from outside.
PROBE = """<!doctype html><meta charset="utf-8"><body><iframe id="f" srcdoc="{page}"
style="width:{width}px;height:800px;border:0"></iframe><pre id="found"></pre><script>
document.getElementById("f").addEventListener("load", event => {{
  const page = event.target.contentDocument, root = page.documentElement;
  const figures = [...page.querySelectorAll("svg, table")].map(figure => {{
    const box = figure.getBoundingClientRect();
    const drawn = figure.querySelectorAll("path, rect, circle, td").length;
    const inside = !figure.closest("details:not([open])");
    return {{tag: figure.tagName, width: box.width, height: box.height, drawn, inside}};
  }});
  const empty = [...page.querySelectorAll("svg text")].filter(
    text => text.textContent && !text.getBoundingClientRect().width).length;
  document.getElementById("found").textContent = JSON.stringify({{
    wide: root.scrollWidth, across: root.clientWidth, figures, empty,
    scripts: page.scripts.length, title: page.title,
    foreign: [...page.querySelectorAll("[src], link[href]")].map(one => one.outerHTML),
  }});
}});
</script>"""


def measured(page: str, width: int, folder: Path) -> dict:
    """What a browser makes of a page of some width, and what it complains of."""
    probe = folder / f"probe-{width}.html"
    probe.write_text(PROBE.format(page=html.escape(page), width=width), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=5000",
        "--dump-dom",
        probe.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1], done.stderr
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return {**json.loads(html.unescape(found[1])), "complaints": complaints}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    runs = {}
    for name in ("breast_cancer", "digits", "films"):
        runs[name] = train(load_recipe(ROOT / "configs" / f"{name}.toml"), folder / name).path
    distilled = Recipe.model_validate(
        {"name": "distilled", "data": {"name": "iris"}, "distill": {"teacher": "knn"}}
    )
    runs["distilled"] = train(distilled, folder / "distilled").path
    found = {name: (path / "report.html").read_text() for name, path in runs.items()}
    write_comparison(compare_runs(list(runs.values())), folder / "compared.html")
    found["compared"] = (folder / "compared.html").read_text()
    hostile = hostile_facts(run_facts(open_run(runs["films"])))
    found["hostile"] = report_page(hostile, set())
    found["many classes"] = report_page(facts_of_many_classes(120), set())
    return found


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("breast_cancer", 8),
        ("digits", 18),
        ("films", 15),
        ("distilled", 12),
        ("compared", 8),
        ("hostile", 15),
        ("many classes", 10),
    ],
)
def test_a_page_in_a_browser(name: str, least: int, width: int, pages: dict, tmp_path: Path):
    found = measured(pages[name], width, tmp_path)
    assert found["complaints"] == []
    assert found["scripts"] == 0
    assert found["foreign"] == ['<link rel="icon" href="data:,">']
    assert found["wide"] <= found["across"] <= width
    shown = [figure for figure in found["figures"] if figure["inside"]]
    assert len(shown) >= least
    for figure in shown:
        assert figure["drawn"] > 0 and figure["width"] > 50 and figure["height"] > 20, figure
    assert found["empty"] == 0


def test_the_probe_sees_what_is_wrong(tmp_path: Path):
    page = '<!doctype html><svg width="900" height="9"></svg><script>missing()</script>'
    found = measured(page, 390, tmp_path)
    assert found["wide"] > found["across"]
    assert found["figures"][0]["drawn"] == 0
    assert any("missing" in line for line in found["complaints"])
