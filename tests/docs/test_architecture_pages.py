"""The pages for contributors quote code of the tests, and name files and links that exist."""

import re
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fastclf"
PAGES = ROOT / "docs" / "architecture"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCUMENTS = [CONTRIBUTING, ROOT / "docs" / "architecture.md", *sorted(PAGES.glob("*.md"))]
PATHS = {
    f"/{path.relative_to(ROOT).as_posix()}{'/' if path.is_dir() else ''}"
    for folder in (".github", "conda", "fastclf", "tests", "scripts", "docs", "datasets")
    for path in [ROOT / folder, *(ROOT / folder).rglob("*")]
}
SECTIONS = dict(
    re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", CONTRIBUTING.read_text(), re.MULTILINE | re.DOTALL)
)


@pytest.mark.parametrize("thing, least", [("loss", 0), ("solver", 5), ("kind of data", 7)])
def test_tutorials_quote_the_code_of_tests(thing: str, least: int):
    section = SECTIONS[f"How to add a {thing}"]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    files = set(re.findall(r"\((tests/extension/\w+\.py)\)", section))
    assert len(blocks) >= least
    assert len(files) == (1 if blocks else 0)
    for block in blocks:  # methods are shown without the indentation of their class
        code = (ROOT / min(files)).read_text()
        assert f"\n{block}" in code or f"\n{indent(block, '    ')}" in code, block


@pytest.mark.parametrize(
    "page", [page for page in PAGES.glob("*.md") if page.stem != "decisions"], ids=lambda p: p.stem
)
def test_the_page_of_a_package_lists_its_modules(page: Path):
    package = PACKAGE / page.stem
    listed = set(re.findall(r"`([\w/]+\.py)`", page.read_text()))
    for module in package.rglob("*.py"):
        names = {module.relative_to(folder).as_posix() for folder in (PACKAGE, package)}
        assert module.name == "__init__.py" or names & listed, module


def test_every_package_has_a_page():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages - {"functional"} == {page.stem for page in PAGES.glob("*.md")} - {"decisions"}


def test_the_diagram_of_the_packages_leads_downward():
    table = re.findall(r"^\| (\d) \| (.*?) \|", CONTRIBUTING.read_text(), re.MULTILINE)
    floors = {
        name.strip("/").removesuffix(".py"): int(floor)
        for floor, rooms in table
        for name in re.findall(r"`([\w/.]+)`", rooms)
    }
    diagram = (ROOT / "docs" / "figures" / "floors.dot").read_text()
    nodes = dict(re.findall(r'^    (\w+) \[label="(.*?)\\n', diagram, re.MULTILINE))
    rooms = {node: floors[label.split(",")[0]] for node, label in nodes.items()}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages - {"functional"} <= set(nodes)
    edges = re.findall(r"^    (\{[^}]+\}|\w+) -> (\{[^}]+\}|\w+)$", diagram, re.MULTILINE)
    assert len(edges) > 5
    for above, below in edges:
        for one in re.findall(r"\w+", above):
            for other in re.findall(r"\w+", below):
                assert rooms[one] > rooms[other], (one, other)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_files_that_the_documents_name_exist(document: Path):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    named = re.findall(r"`([\w/]+(?:\.py|/))`", text)
    assert named
    for name in named:
        assert any(path.endswith(f"/{name}") for path in PATHS), name


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "docs" / "benchmarks" / "solvers.md", ROOT / "README.md"],
    ids=lambda path: path.stem,
)
def test_links_and_their_anchors_exist(document: Path):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = document.parent / file if file else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
