"""What the documents say: commands of the tutorial run, those of the reference exist."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fastclf.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", flags=re.DOTALL)


def bare(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def run(commands: str, environment: dict[str, str]) -> str:
    """Return what commands print: those of fastclf alone in this process, others by a shell."""
    lines = commands.splitlines()
    if all(line.startswith("fastclf ") and "|" not in line for line in lines):
        results = [CliRunner().invoke(main, shlex.split(line)[1:]) for line in lines]
        assert [result.exit_code for result in results] == [0] * len(lines), results[-1].output
        return "".join(result.output for result in results)
    done = subprocess.run(
        ["sh", "-e", "-c", commands], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_commands_of_the_tutorial_print_what_it_shows(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, options in (("fastclf", "-m fastclf"), ("python", "")):
        (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {options} "$@"\n')
        (binaries / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    blocks = BLOCK.findall((DOCS / "tutorial.md").read_text())
    assert [kind for kind, _ in blocks] == ["sh", "text"] * (len(blocks) // 2)
    shown = 0
    for (_, commands), (_, expected) in zip(blocks[::2], blocks[1::2], strict=True):
        printed = bare(run(commands, environment))
        for line in bare(expected):
            assert line in printed, commands
            shown += 1
    assert shown > 30
    assert (tmp_path / "predictions.csv").read_text().startswith("id,label,probability_no,")


def test_the_reference_has_every_command():
    text = (DOCS / "command-line.md").read_text()
    told = re.findall(r"^\| `fastclf (\w+)", text, re.MULTILINE)
    assert sorted(told) == sorted(main.commands)
    with_json = {name for name, command in main.commands.items() if "as_json" in names(command)}
    some = {"check", "compare", "datasets", "doctor", "evaluate", "train", "tune", "warmup"}
    assert with_json == some


def names(command) -> set[str]:
    return {parameter.name for parameter in command.params}


PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("guide/*.md")])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_options_and_links_in_the_documents_exist(path: Path):
    text = path.read_text()
    known = {
        option
        for command in main.commands.values()
        for parameter in command.params
        for option in parameter.opts
    } | {"--help", "--version"}
    for line in text.splitlines():
        if "fastclf" in line or line.startswith("`"):
            assert set(re.findall(r"(?<![\w-])--[a-z-]+", line)) <= known, line
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_examples_of_the_theory_give_what_it_shows():
    with np.printoptions():  # the page sets its own
        result = doctest.testfile(str(DOCS / "theory.md"), module_relative=False)
    assert result.attempted > 50 and result.failed == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_what_click_offers(shell: str):
    done = subprocess.run(
        [sys.executable, "-c", "from fastclf.cli import main; main(prog_name='fastclf')"],
        env={**os.environ, "_FASTCLF_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "Couldn't detect Bash version" in done.stderr:
        pytest.skip("there is no bash here")
    assert done.returncode == 0
    assert "_fastclf_completion" in done.stdout
