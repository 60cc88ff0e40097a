"""The API reference has an entry with an example for each public name, and no others."""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from fastclf import errors
from fastclf.cli import main
from fastclf.toml import Table

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("reference/*.md"))
BLOCK = re.compile(r"^```\{eval-rst\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
PACKAGES = ("data", "functional", "objective", "preprocessing", "solvers", "dask", "plan")


def public_names() -> set[str]:
    """The names that docs/policies.md calls public."""
    names = {"fastclf.losses.ColumnLoss"}
    for module in ("fastclf", *(f"fastclf.{package}" for package in PACKAGES)):
        home = importlib.import_module(module)
        names |= {f"{module}.{name}" for name in home.__all__}
    names -= {name for name in names if inspect.ismodule(value_of(name))}
    exceptions = [value for value in vars(errors).values() if inspect.isclass(value)]
    return names | {
        f"fastclf.errors.{kind.__name__}"
        for kind in exceptions
        if issubclass(kind, errors.FastclfError)
    }


def value_of(name: str) -> Any:
    module, _, own = name.rpartition(".")
    return getattr(importlib.import_module(module), own)


def listed() -> Iterator[tuple[str, str]]:
    """The entries of the pages: "page" for a name with a page of its own, "data" for others."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            module = re.search(r"^\.\. currentmodule:: (\S+)$", block, re.MULTILINE)[1]
            for name in re.findall(r"^\.\. py:data:: (\w+)$", block, re.MULTILINE):
                yield f"{module}.{name}", "data"
            for table in block.split(".. autosummary::")[1:]:
                for name in re.findall(r"^   (\w+)$", table, re.MULTILINE):
                    yield f"{module}.{name}", "page"


ENTRIES = dict(listed())


def test_every_public_name_is_listed_once_and_nothing_else_is():
    assert sorted(name for name, _ in listed()) == sorted(public_names())
    index = (DOCS / "reference" / "index.md").read_text()
    assert {page.stem for page in PAGES} == {"index", *re.findall(r"\]\((\w+)\.md\)", index)}
    assert re.findall(r"^\w+$", index.partition(":hidden:")[2], re.MULTILINE) == [
        *re.findall(r"\]\((\w+)\.md\)", index)
    ]


@pytest.mark.parametrize("name", [name for name, kind in ENTRIES.items() if kind == "page"])
def test_the_docstring_of_a_name(name: str):
    value = value_of(name)
    text = inspect.getdoc(value) or ""
    assert "\nExamples\n--------\n" in text, "it has no example"
    assert ">>> " in text.partition("\nExamples\n--------\n")[2], "its example has no code"
    for kind in inspect.getmro(value) if inspect.isclass(value) else ():
        if kind.__module__.startswith("fastclf"):
            for member, static in vars(kind).items():
                if not member.startswith("_") and is_method(static):
                    assert inspect.getdoc(getattr(kind, member)), f"{member} has no docstring"


@pytest.mark.parametrize("name", [name for name, kind in ENTRIES.items() if kind == "page"])
def test_parameters_and_results_are_described(name: str):
    """Those of a table or a data set are its attributes; those of exceptions are the base's."""
    validation = pytest.importorskip("numpydoc.validate")
    value = value_of(name)
    if getattr(value, "_is_protocol", False) or name == "fastclf.data.Dataset":
        return
    if inspect.isclass(value) and (issubclass(value, Table) or is_exception_of_a_base(value)):
        return
    faults = {"PR01", "PR02", "PR06", "PR10", "RT01", "GL01", "GL07"}
    assert [what for what in validation.validate(name)["errors"] if what[0] in faults] == []


def is_exception_of_a_base(value: type) -> bool:
    return issubclass(value, errors.FastclfError) and value is not errors.FastclfError


def is_method(member: Any) -> bool:
    return isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ">>> " in page.read_text()], ids=lambda page: page.stem
)
def test_the_examples_of_constants(page: Path):
    blocks = [block for block in BLOCK.findall(page.read_text()) if ">>> " in block]
    entries = re.split(r"^\.\. py:data:: ", "\n".join(blocks), flags=re.MULTILINE)[1:]
    runner = doctest.DocTestRunner()
    for entry in entries:
        assert ">>> " in entry, entry.splitlines()[0]
        runner.run(doctest.DocTestParser().get_doctest(entry, {}, page.name, str(page), 0))
    assert runner.tries and not runner.failures


def test_the_page_of_commands_has_them_in_the_order_of_the_help():
    text = (DOCS / "commands" / "commands.md").read_text()
    commands = re.search(r":commands: (.*)", text)[1].split(", ")
    assert commands == main.list_commands(click.Context(main))
