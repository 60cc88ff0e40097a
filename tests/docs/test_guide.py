"""The examples of the user guide print what its pages show."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = {"dask", "streams"}
"""Pages whose examples are whole scripts: ``test_example_pages.py`` runs them."""

BLOCKS = {
    path: blocks
    for path in sorted([DOCS / "start.md", DOCS / "scikit-learn.md", *DOCS.glob("guide/*.md")])
    if path.stem not in SCRIPTS
    and (blocks := re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("page", BLOCKS, ids=lambda page: page.stem)
def test_the_examples_of_a_page(page: Path, tmp_path: Path, monkeypatch):
    """The blocks of a page are one session, in a folder that has the recipes and data sets."""
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "datasets"):
        (tmp_path / name).symlink_to(DOCS.parent / name)
    assert all(block.startswith(">>> ") for block in BLOCKS[page])
    session = doctest.DocTestParser().get_doctest(
        "\n".join(BLOCKS[page]), {}, page.name, str(page), 0
    )
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(session)
    assert runner.tries > 0 and runner.failures == 0
