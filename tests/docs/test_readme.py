"""Every block of the README runs: Python here, commands here or, where they install, in CI."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastclf

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)


def blocks(language):
    return [block for kind, block in BLOCKS if kind == language]


def test_every_block_is_of_a_kind_that_is_run():
    assert {kind for kind, _ in BLOCKS} <= {"sh", "python", "text"}


def test_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)


def test_there_is_an_example_for_each_kind_of_target():
    others = {"LoadedClassifier", "LogisticRegressionCV", "MultiLabelLogisticRegressionCV"}
    fits = set(fastclf.__all__) - others
    code = " ".join(blocks("python"))
    assert all(f"fastclf.{name}(" in code for name in fits if name[0].isupper())


@pytest.fixture
def clone(tmp_path):
    for name in ("configs", "datasets"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def commands():
    lines = "\n".join(blocks("sh")).splitlines()
    return [command.strip() for line in lines for command in line.split("&&")]


def test_installing_and_testing_is_what_ci_does():
    ci = (ROOT / ".ci" / "run").read_text()
    install_and_test = blocks("sh")[1].strip()
    for command in install_and_test.split("&&"):
        assert command.strip() in ci


def test_commands_print_what_the_readme_shows(clone):
    ours = [command for command in commands() if command.startswith("fastclf")]
    assert ours
    shown = blocks("text")
    for command, expected in zip(ours, shown, strict=True):
        words = command.split()[1:]
        done = subprocess.run(
            [sys.executable, "-m", "fastclf", *words],
            cwd=clone,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        printed = done.stdout + done.stderr
        for line in expected.splitlines():
            if " s;" not in line:  # the last line tells the time and the folder
                assert line in printed


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("name", ["fastclf train", "fastclf warmup"])
def test_commands_in_the_text_exist(name):
    done = subprocess.run(
        [sys.executable, "-m", *name.split(), "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
