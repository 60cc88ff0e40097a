"""The built site in a browser: ``scripts/docs`` builds it, and runs this."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SITE = Path(os.environ.get("FASTCLF_SITE", ""))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium; install it to run this"),
    pytest.mark.skipif("FASTCLF_SITE" not in os.environ, reason="scripts/docs runs this"),
]

# Shows one page after the other in a frame as wide as a phone (360 px, and a scroll bar), in the
# light and in the dark theme. Text is faint where its contrast is below 4.5 (WCAG 2.2, AA).
PROBE = r"""<!doctype html><meta charset="utf-8">
<iframe id="frame" style="width:375px;height:800px;border:0"></iframe><pre id="found"></pre><script>
const numbers = colour => {
  const values = colour.match(/[\d.]+/g).map(Number);
  const scale = colour.startsWith("color(") ? 1 : 255;
  return [...values.slice(0, 3).map(value => value / scale), values[3] ?? 1];
};
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
const luminance = colour => colour.slice(0, 3).map(
  c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const faint = (view, page) => {
  const found = new Set(), paper = numbers(view.getComputedStyle(page.body).backgroundColor);
  const walker = page.createTreeWalker(page.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), parent = walker.currentNode.parentElement;
    if (!text || !parent.getClientRects().length || parent.closest("math, .headerlink")) continue;
    const layers = [];
    for (let at = parent; at && at !== page.body; at = at.parentElement)
      layers.push(numbers(view.getComputedStyle(at).backgroundColor));
    const ground = layers.reverse().reduce((below, layer) => over(layer, below), paper);
    const ratio = contrast(over(numbers(view.getComputedStyle(parent).color), ground), ground);
    if (ratio < 4.5) found.add(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return [...found];
};
const scrolling = "pre, .math, .graphviz, .pst-scrollable-table-container, .visually-hidden";
const widest = (page, across) => {
  for (const one of page.querySelectorAll("article *"))
    if (one.getBoundingClientRect().right > across + 1 && !one.closest(scrolling))
      return one.outerHTML.slice(0, 120);
};
const loaded = address => new Promise(resolve => {
  frame.onload = resolve;
  frame.src = address;
});
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
(async () => {
  const result = {pages: {}};
  for (const name of PAGES) {
    await loaded(name);
    const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
    const seen = {wide: root.scrollWidth, across: root.clientWidth};
    if (seen.wide > seen.across) seen.widest = widest(page, seen.across);
    for (const theme of ["light", "dark"]) {
      root.dataset.theme = theme;
      seen[theme] = {faint: faint(view, page),
        paper: luminance(numbers(view.getComputedStyle(page.body).backgroundColor))};
    }
    result.pages[name] = seen;
  }
  result.search = {};
  for (const words of WORDS) {
    await loaded("search.html?q=" + encodeURIComponent(words));
    const titles = () => [...frame.contentDocument.querySelectorAll("#search-results li a")].map(
      one => one.textContent);
    for (let i = 0, before = -1; i < 100 && (before < 1 || before < titles().length); i++) {
      before = titles().length;
      await pause(500);
    }
    result.search[words] = titles();
  }
  found.textContent = JSON.stringify(result);
})();
</script>"""

WORDS = {
    "softmax": "softmax",
    "temperature scaling": "temperature",
    "DistilledClassifier": "distilled",
}
"""Words that a reader may search for, and what one of the titles found must hold."""

BROKEN = (
    '<!doctype html><body style="background:#fff"><article><p style="color:#999">grey</p>'
    '<p style="width:900px">wide</p></article><script>missing()</script>'
)


class Handler(SimpleHTTPRequestHandler):
    """Serves the site, and the pages of this test."""

    more: dict[str, str] = {}

    def do_GET(self) -> None:
        text = self.more.get(self.path)
        if text is None:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Iterator[tuple[dict, list[str]]]:
    """What a browser makes of the pages, and what it complains of."""
    pages = [path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html"))]
    skipped = ("_static/", "_modules/", "genindex", "search", "py-modindex")
    pages = [page for page in pages if not page.startswith(skipped)]
    probe = PROBE.replace("PAGES", json.dumps([*pages, "broken.html"]))
    Handler.more = {"/probe.html": probe.replace("WORDS", json.dumps(list(WORDS)))}
    Handler.more["/broken.html"] = BROKEN
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(SITE))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        command = [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
            "--virtual-time-budget=3000000",
            "--dump-dom",
            f"http://127.0.0.1:{server.server_port}/probe.html",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        server.shutdown()
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    yield json.loads(html.unescape(found[1])), complaints


def test_pages_fit_on_a_phone(shown):
    pages = shown[0]["pages"]
    broken = pages.pop("broken.html")
    assert broken["wide"] > broken["across"]
    assert {name: seen.get("widest") for name, seen in pages.items() if "widest" in seen} == {}
    assert {seen["across"] for seen in pages.values()} <= {360, 375}  # with a scroll bar or without
    assert [name for name, seen in pages.items() if seen["wide"] > seen["across"]] == []
    assert len(pages) > 100


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable(shown, theme: str):
    pages = {name: seen[theme] for name, seen in shown[0]["pages"].items() if name != "broken.html"}
    assert {name: seen["faint"] for name, seen in pages.items() if seen["faint"]} == {}
    assert all((seen["paper"] > 0.5) == (theme == "light") for seen in pages.values())


def test_search_finds_pages(shown):
    titles = shown[0]["search"]
    for words, expected in WORDS.items():
        assert any(expected in title.lower() for title in titles[words]), titles[words]


def test_the_console_tells_of_no_error(shown):
    broken = [line for line in shown[1] if "missing is not defined" in line]
    assert len(broken) == 1  # it would be seen
    chatter = ('"[PST]: ', '"Anchored content block not found')  # of the theme, and Sphinx's search
    found = [line for line in shown[1] if not any(words in line for words in chatter)]
    assert [line for line in found if line not in broken] == []
