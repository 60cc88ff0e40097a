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

ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium; install it to run this"),
]

WIDTHS = ("390", "1200")

# The page under test is shown in frames as it is, with its own policy, and measured from outside.
FRAME = (
    '<iframe id="{width}" style="width:{width}px;height:800px;border:0" srcdoc="{page}"></iframe>'
)
PROBE = """<!doctype html><meta charset="utf-8"><body>{frames}<pre id="found"></pre><script>
addEventListener("load", () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, root = page.documentElement;
    const figures = [...page.querySelectorAll("svg, table")].filter(
      figure => !figure.closest("details:not([open])")).map(figure => {{
        const box = figure.getBoundingClientRect();
        const drawn = figure.querySelectorAll("path, rect, circle, td").length;
        return {{width: box.width, height: box.height, drawn}};
      }});
    const unseen = [...page.querySelectorAll("svg text")].filter(
      text => text.textContent && !text.getBoundingClientRect().width).length;
    found[frame.id] = {{
      wide: root.scrollWidth, across: root.clientWidth, figures, unseen,
      scripts: page.scripts.length,
      foreign: [...page.querySelectorAll("[src], link[href]")].map(one => one.outerHTML),
    }};
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""


def measured(page: str, folder: Path) -> tuple[dict[str, dict], list[str]]:
    """What a browser makes of a page by its width, and what it complains of."""
    frames = "".join(FRAME.format(width=width, page=html.escape(page)) for width in WIDTHS)
    probe = folder / "probe.html"
    probe.write_text(PROBE.format(frames=frames), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
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
    return json.loads(html.unescape(found[1])), complaints


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
def test_a_page_in_a_browser(name: str, least: int, pages: dict, tmp_path: Path):
    by_width, complaints = measured(pages[name], tmp_path)
    assert complaints == []
    assert set(by_width) == set(WIDTHS)
    for width, found in by_width.items():
        assert found["scripts"] == 0
        assert found["foreign"] == ['<link rel="icon" href="data:,">']
        assert found["wide"] <= found["across"] <= int(width)
        assert len(found["figures"]) >= least
        for figure in found["figures"]:
            assert figure["drawn"] > 0 and figure["width"] > 50 and figure["height"] > 20, figure
        assert found["unseen"] == 0


def test_the_probe_sees_what_is_wrong(tmp_path: Path):
    page = '<!doctype html><svg width="900" height="9"></svg><script>missing()</script>'
    by_width, complaints = measured(page, tmp_path)
    assert by_width["390"]["wide"] > by_width["390"]["across"]
    assert by_width["390"]["figures"] == [{"width": 900, "height": 9, "drawn": 0}]
    assert by_width["390"]["scripts"] == 1
    assert any("missing" in line for line in complaints)
