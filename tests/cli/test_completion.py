"""Completion in the shell, as a shell asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastclf.cli import main
from fastclf.cli.completion import Bash, complete_file, complete_run, recipe_keys
from fastclf.config import Recipe
from fastclf.toml import tables_in


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("r.toml", "rows.csv", "rows.txt.gz", "readme.md", ".hidden.csv"):
        Path(name).write_text("")
    for run in ("runs/one", "runs/two"):
        Path(run).mkdir(parents=True)
        Path(run, "config.toml").write_text("")


def test_keys_and_choices_are_those_of_recipes():
    found, expected = recipe_keys(), set()
    for name, info in Recipe.model_fields.items():
        tables = tables_in(info.annotation)
        expected |= {f"{name}.{key}" for table in tables for key in table.model_fields} or {name}
        for table in tables:
            for key, schema in table.model_json_schema()["properties"].items():
                one = [schema, *schema.get("anyOf", [])]
                wanted = {str(word) for kind in one for word in kind.get("enum", [])}
                wanted |= {kind["const"] for kind in one if "const" in kind}
                if any(kind.get("type") == "boolean" for kind in one):
                    wanted |= {"true", "false"}
                assert wanted <= set(found[f"{name}.{key}"])
    assert found.keys() == expected
    assert sorted(found["solver.name"]) == sorted(
        ["auto", "newton", "lbfgs", "proximal", "sgd", "adam", "adamw"]
    )
    assert found["solver.tol"] == ()


def completed(*words: str, shell: str = "bash") -> list[str]:
    """Return what a shell is told that completes the last of the words."""
    variables = {"COMP_WORDS": "\n".join(("fastclf", *words)), "COMP_CWORD": str(len(words))}
    script = (
        "import sys; from fastclf.cli import main\n"
        "try: main(prog_name='fastclf')\n"
        "finally: sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **variables, "_FASTCLF_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
    )
    loaded = set(done.stderr.split())
    assert "fastclf.cli.completion" in loaded
    assert not loaded & {"numba", "numpy", "scipy", "sklearn", "pydantic", "rich", "tomlkit"}
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


def test_bash_completes_keys_and_values():
    assert completed("train", "--set", "solver.na") == ["solver.name="]
    assert sorted(completed("tune", "--set", "solver.name", "=", "ad")) == ["adam", "adamw"]
    assert "auto" in completed("init", "--set", "model.kind", "=")
    assert completed("train", "--set", "seed", "=", "3", "--set", "data.strat") == [
        "data.stratify="
    ]


def bash(*words: str) -> list[str]:
    """Return what Bash shows for the words, without a process."""
    given = {"COMP_WORDS": " ".join(("fastclf", *words)), "COMP_CWORD": str(len(words))}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        shell = Bash(main, {}, "fastclf", "_FASTCLF_COMPLETE")
        return shell.complete().splitlines()


def test_words_around_an_equals_sign_are_joined():
    assert bash("check", "--set", "data.stratify", "=", "f") == ["plain,false"]
    assert bash("check", "--set", "=", "data.strat") == ["plain,data.stratify="]
    assert bash("train", "--resume", "=", "runs/t") == ["plain,runs/two"]
    assert "[[ $value == *= ]] && compopt -o nospace" in Bash(main, {}, "f", "_F").source()


def test_files_and_runs():
    assert bash("train", "r") == ["file,r"]  # the folder runs matches, too
    assert bash("train", "ro") == ["plain,rows.csv", "plain,rows.txt.gz"]
    assert bash("train", "r.") == ["plain,r.toml"]
    assert bash("evaluate", "runs/") == ["plain,runs/one", "plain,runs/two"]
    assert bash("evaluate", "ru") == ["file,ru"]
    assert bash("predict", "runs/one", "row") == ["plain,rows.csv", "plain,rows.txt.gz"]
    assert bash("compare", "runs/one", "runs/tw") == ["plain,runs/two"]
    for complete in (complete_file, complete_run):
        (nothing,) = complete(None, None, "no/such/folder")
        assert (nothing.type, nothing.value) == ("file", "no/such/folder")
