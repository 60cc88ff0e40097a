"""Check a built site: what its pages link to exists, and nothing is fetched from elsewhere."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PARTS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "object": "data"}
"""Elements that a browser fetches with the page, and the attribute that says from where."""


class _Page(HTMLParser):
    # The anchors of a page, what it links to, and what a browser fetches with it.
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag in PARTS and PARTS[tag] in found:
            self.parts.append(found[PARTS[tag]])
        elif "href" in found:
            self.links.append(found["href"])


def faults_of(site: Path) -> list[str]:
    """Return a line for each link to a missing file or anchor, and for each part from elsewhere."""
    site = site.resolve()
    texts = [path for path in site.rglob("*.html") if site / "_static" not in path.parents]
    pages = {path: _Page(path.read_text()) for path in texts}
    faults = []
    for path, page in pages.items():
        where = path.relative_to(site)
        faults += [f"{where}: {part} is fetched" for part in page.parts if urlsplit(part).netloc]
        for target in page.links + page.parts:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            file = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not (file.is_relative_to(site) and file.is_file()):
                faults.append(f"{where}: {target}: there is no such file")
            elif file in pages and url.fragment:
                if unquote(url.fragment) not in pages[file].anchors:
                    faults.append(f"{where}: {target}: there is no such place on the page")
    return faults


if __name__ == "__main__":
    faults = faults_of(Path(sys.argv[1]))
    print("\n".join(faults) or "all links of the site lead somewhere")
    sys.exit(1 if faults else 0)
