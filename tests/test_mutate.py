"""The mutants apply to the package as it is, and the script tells which of them tests find."""

import ast
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastclf

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return runpy.run_path(str(SCRIPTS / "mutate.py"))


def test_every_mutant_changes_one_place_of_the_package(script):
    """A mutant whose text was changed is adapted in the same commit."""
    mutants, problems = script["MUTANTS"], []
    assert len(mutants) >= 40
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    for mutant in mutants:
        try:
            path, text = script["mutated"](mutant, ROOT)
        except LookupError as error:
            problems.append(str(error))
            continue
        before, after = ast.parse(path.read_text(encoding="utf-8")), ast.parse(text)
        if ast.dump(before) == ast.dump(after):
            problems.append(f"{mutant.name}: nothing is changed")
    assert not problems


def test_every_topic_has_test_files(script):
    topics = {topic for mutant in script["MUTANTS"] for topic in mutant.tests}
    for topic in topics:
        assert script["test_files"]([topic], ROOT)
    with pytest.raises(KeyError, match="no such topic"):
        script["test_files"](["no such topic"], ROOT)


@pytest.mark.parametrize(
    "text, old, new, expected",
    [
        ("a = b + c", "a = b + c", "a = b - c", "a = b - c"),
        ("a = b\nif c:\n    d = e", "a = b if c: d = e", "a = b if c: d = f",
         "a = b\nif c:\n    d = f"),
        ("a  =  b + c", "a = b + c", "a = b", "a = b"),
        ("a = b", "a = b", "a = b + c", "a = b + c"),
        ("assert not a", "assert not a", "assert not b < a", "assert not b < a"),
        ("f(a,\n  b)", "f(a, b)", "f(b)", "f(b)"),
    ],
)  # fmt: skip
def test_only_the_words_that_differ_are_replaced(script, text, old, new, expected):
    assert ast.dump(ast.parse(script["changed"](text, old, new))) == ast.dump(ast.parse(expected))


SOURCE = "def double(x):\n    if x < 0:\n        return x * 2\n    return x * 2\n"
TEST = "from fastclf.module import double\n\n\ndef test_double():\n    assert double(3) == 6\n"


@pytest.fixture
def package(tmp_path):
    """Return the root of a package with one module and its test."""
    root = tmp_path / "copy"
    for folder in ("fastclf", "tests"):
        (root / folder).mkdir(parents=True)
    (root / "fastclf" / "__init__.py").touch()
    (root / "fastclf" / "module.py").write_text(SOURCE)
    (root / "tests" / "test_losses.py").write_text(TEST)
    return root


def test_mutants_are_killed_or_survive(script, package, tmp_path):
    mutant = script["Mutant"]
    killed = mutant("one", "", "x * 2 return x * 2", "x * 2 return x * 3", ("losses",))
    survivor = mutant("two", "", "if x < 0: return x * 2", "if x < 0: return x * 3", ("losses",))
    base, checked = tmp_path / "cache", []
    for one, result, found_by in (
        (killed, "killed", "test_losses.py::test_double"),
        (survivor, "survived", None),
    ):
        outcome = script["try_mutant"](one, package, base, [], 60, checked.append)
        assert (outcome.result, outcome.found_by) == (result, found_by), outcome.output
        assert (package / "fastclf" / "module.py").read_text() == SOURCE
        assert not base.with_name("mutant-cache").exists()
    assert checked == ["tests/test_losses.py"] * 2


def test_a_text_must_be_found_once(script, package):
    mutant = script["Mutant"]
    for old, times in (("return x * 2", 2), ("return x * 4", 0)):
        with pytest.raises(LookupError, match=f"found {times} times"):
            script["place"](mutant("name", "", old, "return x", ()), package)


def test_an_endless_mutant_is_stopped(script, package, tmp_path):
    mutant = script["Mutant"]
    endless = mutant("name", "", "if x < 0:", "while x == x:", ("losses",))
    (package / "fastclf" / "module.py").write_text(
        SOURCE.replace("return x * 2\n    ", "x += 1\n    ")
    )
    cache = tmp_path / "cache"
    outcome = script["try_mutant"](endless, package, cache, [], 2, check=lambda file: None)
    assert outcome.result == "timed out"


def test_results_count_for_the_same_package_and_mutant(script, tmp_path):
    path, results = tmp_path / "mutation.json", {"mark": {"result": "killed"}}
    path.write_text(json.dumps({"details": {"stamp": "now", "results": results}}))
    assert script["known"](path, "now", "results") == results
    assert script["known"](path, "before", "results") == {}
    assert script["known"](tmp_path / "elsewhere", "now", "results") == {}
    mutants, mark = script["MUTANTS"], script["mark"]
    assert len({mark(mutant, options) for mutant in mutants for options in ("", "-v")}) == 2 * len(
        mutants
    )


KERNELS = {
    "called": "def called(x):\n    return x\n",
    "caller": """
from fastclf.kernels.runtime.jit import kernel
from fastclf.kernels.called import called
caller = kernel(lambda x: called(x))
""",
    "closure": """
from fastclf.kernels.runtime.jit import kernel
def make(inner):
    def outer(x):
        return inner(x)
    return kernel(outer)
""",
    "closing": """
from fastclf.kernels.closure import make
from fastclf.kernels.called import called
closing = make(called)
""",
    "other": """
from fastclf.kernels.runtime.jit import kernel
other = kernel(lambda x: x)
""",
}


def test_a_change_reaches_the_kernels_that_call_what_changed(tmp_path):
    """In a copy for mutants, and no others: those stay in the cache."""
    folder = tmp_path / "fastclf" / "kernels"
    runtime = Path(fastclf.__file__).parent / "kernels" / "runtime"
    shutil.copytree(runtime, folder / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "fastclf" / "__init__.py").touch()
    (folder / "__init__.py").write_text((SCRIPTS / "_stamps.py").read_text(encoding="utf-8"))
    for name, source in KERNELS.items():
        (folder / f"{name}.py").write_text(source)
    program = (
        "from importlib import import_module\n"
        "for name in ('caller', 'closing', 'other'):\n"
        "    kernel = getattr(import_module(f'fastclf.kernels.{name}'), name)\n"
        "    print(kernel._cache.stamp)"
    )

    def stamps() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    before = stamps()
    (folder / "called.py").write_text("def called(x):\n    return x + 1\n")
    assert [a == b for a, b in zip(before, stamps(), strict=True)] == [False, False, True]
