"""The examples of the user guide print what its pages show."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastclf.cli import main

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


RECIPES = {
    path: recipes
    for path in sorted(DOCS.glob("guide/*.md"))
    if (recipes := re.findall(r"^```toml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_the_recipes_of_a_page_are_accepted(page: Path, tmp_path: Path, monkeypatch):
    """Each block with a table [data] is a recipe, in a folder that has the data sets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").symlink_to(DOCS.parent / "datasets")
    for recipe in RECIPES[page]:
        if "[data]\n" in recipe:
            Path("recipe.toml").write_text(recipe)
            result = CliRunner().invoke(main, ["check", "recipe.toml"])
            assert result.exit_code == 0, f"{recipe}\n{result.stderr}"
