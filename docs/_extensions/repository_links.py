"""Pages of the site that are files of the repository, and links between the two.

The same Markdown is read in the repository and on the site. A page such as ``changelog.md``
includes a file from the root of the repository; links from and to such files lead to the page. A
link to any other file outside ``docs/`` becomes its text, because the site has no copy of it. A
link to a file that doesn't exist is a warning.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
BLOCK = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
logger = logging.getLogger(__name__)


def _included_files() -> dict[Path, Path]:
    # The page of each file that a page includes, and that of the scripts of the gallery.
    pages = {DOCS / "gallery": DOCS / "auto_gallery" / "index.rst"}
    for page in DOCS.rglob("*.md"):
        for file in INCLUDE.findall(page.read_text()):
            pages[(page.parent / file).resolve()] = page
    return pages


def _rewrite(text: str, written_in: Path, page: Path, pages: dict[Path, Path]) -> str:
    # The text with links relative to its page, outside blocks of code.
    def link(match: re.Match) -> str:
        words, target, anchor = match.group(1), match.group(2), match.group(3) or ""
        if "://" in target or target.startswith("mailto:"):
            return match.group()
        file = (written_in.parent / target).resolve()
        if not file.exists():
            logger.warning("%s: no such file: %s", written_in.relative_to(ROOT), target)
        file = pages.get(file, file)
        if not file.is_relative_to(DOCS) or file.is_dir():
            return words
        return f"[{words}]({os.path.relpath(file, page.parent)}{anchor})"

    parts = BLOCK.split(text)
    return "".join(part if i % 2 else LINK.sub(link, part) for i, part in enumerate(parts))


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(docname)).resolve()
    if page.suffix != ".md":
        return
    pages = app.env.fastclf_pages = getattr(app.env, "fastclf_pages", None) or _included_files()
    included = INCLUDE.search(source[0])
    if included is None:
        source[0] = _rewrite(source[0], page, page, pages)
        return
    file = (page.parent / included.group(1)).resolve()
    app.env.note_dependency(str(file), docname=docname)
    source[0] = _rewrite(file.read_text(), file, page, pages)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite links as pages are read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
