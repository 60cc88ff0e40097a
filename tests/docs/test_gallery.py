"""Each script of the gallery is a page that a reader can copy; the site's build runs them."""

import ast
import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GALLERY = DOCS / "gallery"
SCRIPTS = sorted(GALLERY.glob("**/*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_a_page(script: Path):
    text = script.read_text()
    tree = ast.parse(text)
    title, line, empty, *words = (ast.get_docstring(tree) or "").splitlines()
    assert set(line) == {"="} and len(line) == len(title) and not empty
    assert title[0].isupper() and " ".join(words).endswith(".")
    assert "\n# %%\n# " in text, "a page explains its code between blocks"
    assert "plt.show()" in text
    assert not re.search(r"\bfetch_|https?://", text), "the site is built without a network"
    data = re.findall(r'datasets / "([^"]+)"', text)
    assert bool(data) == ("../datasets" in text)
    for name in data:
        assert (script.parent / "../../../datasets" / name).is_file()


def test_scripts_name_public_names():
    names = {
        (node.module, name.name)
        for script in SCRIPTS
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastclf")
        for name in node.names
    }
    assert ("fastclf", "LogisticRegression") in names
    for module, name in names:
        assert name in importlib.import_module(module).__all__, f"{module}.{name}"


def test_the_gallery_has_an_order():
    """The configuration of the site lists all folders and scripts; each folder has a text."""
    tree = ast.parse((DOCS / "conf.py").read_text())
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "GALLERY"
    )
    found: dict[str, set[str]] = {}
    for script in SCRIPTS:
        found.setdefault(script.parent.name, set()).add(script.stem.removeprefix("plot_"))
    assert {folder: set(names) for folder, names in listed.items()} == found
    assert all((GALLERY / folder / "GALLERY_HEADER.rst").is_file() for folder in found)
