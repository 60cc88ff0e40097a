"""Reports in a real browser: every chart is there, nothing overlaps or is cut, all text is legible.

One browser shows all pages, on a phone and a desk, light and dark.
"""

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

VIEWS = {"phone": (360, "light"), "phone at night": (360, "dark"), "desk": (1440, "light")}

# Each page is shown in frames as it is, with its own policy, and measured from outside. A frame has
# the colour scheme of its element.
FRAME = (
    '<iframe id="{id}" style="width:{width}px;height:800px;border:0;color-scheme:{scheme}" '
    'srcdoc="{page}"></iframe>'
)
PROBE = r"""<!doctype html><meta charset="utf-8"><body>{frames}<pre id="found"></pre><script>
const numbers = colour => {{
  const values = colour.match(/[\d.]+/g).map(Number);
  const scale = colour.startsWith("color(") ? 1 : 255;
  return [...values.slice(0, 3).map(value => value / scale), values.length > 3 ? values[3] : 1];
}};
const over = (top, below) => top.slice(0, 3).map(
  (value, i) => value * top[3] + below[i] * (1 - top[3]));
const luminance = colour => colour.slice(0, 3).map(
  c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (one, other) => {{
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}};
const overlap = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left)
  > 1 && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 2;
addEventListener("load", () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
    const style = one => view.getComputedStyle(one);
    const isShown = one => one.localName === "summary"
      || !one.closest("details:not([open]), .unseen");
    const figures = [...page.querySelectorAll("svg, table")].filter(isShown).map(figure => {{
      const box = figure.getBoundingClientRect();
      const drawn = figure.querySelectorAll("path, rect, circle, td").length;
      return {{width: box.width, height: box.height, drawn}};
    }});
    const unseen = [...page.querySelectorAll("svg text")].filter(
      text => text.textContent && !text.getBoundingClientRect().width).length;
    const paper = numbers(style(page.body).backgroundColor);
    const ground = one => {{
      const layers = [];
      for (let at = one; at && at !== root; at = at.parentElement)
        layers.push(numbers(style(at).backgroundColor));
      return layers.reverse().reduce((below, layer) => over(layer, below), paper);
    }};
    const boxes = [], faint = new Set();
    const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {{
      const node = walker.currentNode, parent = node.parentElement;
      if (!node.data.trim() || !isShown(parent) || parent.closest("title")) continue;
      const range = page.createRange();
      range.selectNodeContents(node);
      const box = range.getBoundingClientRect();
      if (box.width === 0) continue;
      const look = style(parent), isDrawn = parent.closest("svg");
      const end = look.overflow === "visible" ? Infinity : parent.getBoundingClientRect().right;
      boxes.push({{text: node.data.trim().slice(0, 40), left: box.left,
        right: Math.min(box.right, end),
        top: box.top, bottom: box.bottom, scroll: parent.closest(".scroll")}});
      const colour = numbers(isDrawn ? look.fill : look.color);
      const below = ground(parent.closest("svg") || parent);
      const ratio = contrast(over(colour, below), below);
      if (ratio < 4.5) faint.add(`${{node.data.trim().slice(0, 40)}}: ${{ratio.toFixed(2)}}`);
    }}
    const cut = [...page.querySelectorAll(".scroll")].filter(
      one => one.scrollWidth > one.clientWidth && isShown(one));
    const long = [...page.querySelectorAll(".coefficients tbody th")].filter(
      one => one.firstChild.getBoundingClientRect().right > one.getBoundingClientRect().right);
    boxes.sort((one, other) => one.top - other.top);
    const touching = [];
    boxes.forEach((one, i) => {{
      for (let j = i + 1; j < boxes.length && boxes[j].top < one.bottom; j++)
        if (one.scroll === boxes[j].scroll && overlap(one, boxes[j]))
          touching.push([one.text, boxes[j].text]);
    }});
    found[frame.id] = {{
      wide: root.scrollWidth, across: root.clientWidth, figures, unseen, touching,
      cut: [...cut, ...long].map(one => one.closest("section").id), faint: [...faint],
      paper: luminance(paper), texts: boxes.length,
      scripts: page.scripts.length,
      foreign: [...page.querySelectorAll("[src], link[href]")].map(one => one.outerHTML),
    }};
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""

BROKEN = (
    '<!doctype html><body style="background:#fff"><svg width="900" height="9"></svg>'
    "<script>missing()</script>"
    '<p style="position:absolute;top:50px;color:#999;background:#fff">grey</p>'
    '<p style="position:absolute;top:50px;color:#000">black</p>'
)


def measured(pages: dict[str, str], folder: Path) -> tuple[dict[str, dict[str, dict]], list[str]]:
    """What a browser makes of pages, by page and view, and what it complains of."""
    frames = "".join(
        FRAME.format(id=f"{name}|{view}", width=width, scheme=scheme, page=html.escape(page))
        for name, page in pages.items()
        for view, (width, scheme) in VIEWS.items()
    )
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
    by_page: dict[str, dict[str, dict]] = {}
    for key, value in json.loads(html.unescape(found[1])).items():
        name, view = key.split("|")
        by_page.setdefault(name, {})[view] = value
    return by_page, complaints


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> tuple[dict[str, dict[str, dict]], list[str]]:
    folder = tmp_path_factory.mktemp("runs")
    runs = {}
    for name in ("breast_cancer", "digits", "films"):
        runs[name] = train(load_recipe(ROOT / "configs" / f"{name}.toml"), folder / name).path
    distilled = Recipe.model_validate(
        {"name": "distilled", "data": {"name": "iris"}, "distill": {"teacher": "knn"}}
    )
    runs["distilled"] = train(distilled, folder / "distilled").path
    pages = {name: (path / "report.html").read_text() for name, path in runs.items()}
    write_comparison(compare_runs(list(runs.values())), folder / "compared.html")
    pages["compared"] = (folder / "compared.html").read_text()
    copies = [folder / f"films-20261130-19{minute}43" for minute in ("07", "20")]
    for copy in copies:
        shutil.copytree(runs["films"], copy)
    write_comparison(compare_runs(copies), folder / "copies.html")
    pages["copies"] = (folder / "copies.html").read_text()
    hostile = hostile_facts(run_facts(open_run(runs["films"])))
    pages["hostile"] = report_page(hostile, set())
    pages["some classes"] = report_page(facts_of_many_classes(30), set())
    pages["many classes"] = report_page(facts_of_many_classes(120), set())
    pages["broken"] = BROKEN
    return measured(pages, folder)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("breast_cancer", 10),
        ("digits", 18),
        ("films", 15),
        ("distilled", 12),
        ("compared", 8),
        ("copies", 8),
        ("hostile", 15),
        ("some classes", 13),
        ("many classes", 14),
    ],
)
def test_a_page_in_a_browser(name: str, least: int, shown: tuple):
    by_view = shown[0][name]
    assert set(by_view) == set(VIEWS)
    for view, found in by_view.items():
        width, scheme = VIEWS[view]
        assert (found["paper"] < 0.1) == (scheme == "dark")
        assert found["scripts"] == 0
        assert found["foreign"] == ['<link rel="icon" href="data:,">']
        assert found["wide"] <= found["across"] <= width
        assert len(found["figures"]) >= least
        for figure in found["figures"]:
            assert figure["drawn"] > 0 and figure["width"] > 50 and figure["height"] > 20, figure
        assert found["unseen"] == 0
        assert found["texts"] > 60
        assert found["touching"] == [], view
        assert found["faint"] == [], view
        if name == "copies":
            assert found["cut"] == [], view
        assert "coefficients" not in found["cut"], view


def test_the_probe_sees_what_is_wrong(shown: tuple):
    by_page, complaints = shown
    found = by_page["broken"]["phone"]
    assert found["wide"] > found["across"]
    assert found["figures"] == [{"width": 900, "height": 9, "drawn": 0}]
    assert found["scripts"] == 1
    assert found["touching"] == [["grey", "black"]]
    assert found["faint"] == ["grey: 2.85"]
    assert len(complaints) == len(VIEWS) and all("missing" in line for line in complaints)
