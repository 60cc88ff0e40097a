"""What is printed: any encoding, names that give orders to a terminal, and outputs that fail."""

import io
import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastclf.cli import main
from fastclf.errors import FastclfError

RED = "\x1b[31mröt\x1b[0m"
NAMES = [RED, "=HYPERLINK(1)", ":cat: [bold]漢字"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A file whose classes and columns have odd names, and a recipe and a run of it."""
    folder = tmp_path_factory.mktemp("odd")
    rows = [f"{i % 3 + i / 100},{i % 7},{NAMES[i % 3]}" for i in range(60)]
    text = "\n".join([f"{RED},=b,target", *rows]) + "\n"
    (folder / "odd.csv").write_text(text, encoding="utf-8")
    recipe = 'name = "röt"\n[data]\npath = "odd.csv"\ntarget = "target"\n'
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    done = called("train", "--config", folder / "recipe.toml", "--out", folder / f"run{RED}", "-q")
    assert done.exit_code == 0, done.output
    (folder / "run").symlink_to(folder / f"run{RED}")
    return folder


def called(*arguments: object, charset: str = "utf-8"):
    done = CliRunner(charset=charset).invoke(main, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def commands(folder: Path) -> dict[str, list[object]]:
    recipe, run = folder / "recipe.toml", folder / "run"
    return {
        "init": ["init", folder / "odd.csv", "-o", folder / "new.toml", "--force"],
        "check": ["check", "--config", recipe, "-v"],
        "train": ["train", "--resume", run],
        "evaluate": ["evaluate", run, "-v"],
        "compare": ["compare", run, folder / f"run{RED}", "-v"],
        "datasets": ["datasets", folder],
    }


@pytest.mark.parametrize("charset", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("command", ["init", "check", "train", "evaluate", "compare", "datasets"])
def test_no_name_stops_or_commands_a_terminal(command: str, charset: str, folder: Path):
    if command == "datasets":
        card = 'kind = "file"\npath = "odd.csv"\ntarget = "target"\n'
        text = f'name = "odd"\ndescription = "{NAMES[2]} \\u001b[31m"\n[source]\n{card}'
        (folder / "odd.toml").write_text(text, encoding="utf-8")
    done = called(*commands(folder)[command], charset=charset)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output and "\N{CAT}" not in done.output
    if command in ("init", "check", "evaluate"):
        assert "\\x1b[31mr" in done.output
        assert (":cat: [bold]漢字" in done.output) == (charset == "utf-8")


def test_what_programs_read_is_utf_8_in_any_encoding(folder: Path):
    for arguments in (
        ["init", folder / "odd.csv", "-o", "-"],
        ["predict", folder / "run", folder / "odd.csv", "-q"],
    ):
        texts = [called(*arguments, charset=name).stdout_bytes for name in ("utf-8", "ascii")]
        assert texts[0] == texts[1] and "röt".encode() in texts[0]
    path = folder / "rün"
    (folder / "rün").symlink_to(folder / "run")
    done = called("evaluate", path, "-q", charset="ascii")
    assert done.stdout_bytes == os.fsencode(path / "evaluation.json") + b"\n"
    path.unlink()


def test_escape_formulas(folder: Path):
    predict = ["predict", folder / "run", folder / "odd.csv", "-q", "--columns", "label"]
    raw = called(*predict, "--keep", "=b").stdout.splitlines()
    assert (raw[0], raw[2]) == ("=b,label", "1,=HYPERLINK(1)")
    escaped = called(*predict, "--keep", "=b", "--escape-formulas").stdout.splitlines()
    assert (escaped[0], escaped[2]) == ("'=b,label", "1,'=HYPERLINK(1)")
    done = called(*predict, "--escape-formulas", "--format", "jsonl")
    assert (done.exit_code, done.stderr) == (
        2,
        "fastclf: error: --escape-formulas is for CSV; leave it out for jsonl\n",
    )


class Failing(io.RawIOBase):
    """A standard output on a full disk, or whose reader has gone."""

    def __init__(self, error: type[OSError], number: int) -> None:
        self.error = error(number, os.strerror(number))

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        raise self.error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["schema"],
        ["init", "-o", "-"],
        ["init", "{}/odd.csv", "-o", "-"],
        ["check", "--config", "{}/recipe.toml"],
        ["compare", "{}/run", "--json"],
        ["compare", "{}/run"],
        ["predict", "{}/run", "{}/odd.csv"],
        ["predict", "{}/run", "{}/odd.csv", "--format", "npz"],
        ["predict", "{}/run", "{}/odd.csv", "--format", "parquet"],
        ["evaluate", "{}/run", "-q"],
    ],
    ids=" ".join,
)
def test_a_full_standard_output_is_one_line(arguments: list[str], folder: Path, monkeypatch):
    stdout = io.TextIOWrapper(io.BufferedWriter(Failing(OSError, 28)), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        main([word.format(folder) for word in arguments])
    lines = [line for line in sys.stderr.getvalue().splitlines() if "rows predicted" not in line]
    assert ended.value.code == 2
    assert len(lines) == 1
    assert lines[0].startswith("fastclf: error: standard output: ")
    assert "No space left on device" in lines[0]
    stdout.buffer.raw.write = len  # or its finalizer complains


def test_a_full_standard_error_stops_nothing(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(
        sys, "stderr", io.TextIOWrapper(io.BufferedWriter(Failing(OSError, 28)), encoding="utf-8")
    )
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    with pytest.raises(SystemExit) as ended:
        main(["train", "--config", str(folder / "recipe.toml"), "--out", str(tmp_path / "run")])
    assert ended.value.code == 0
    assert (tmp_path / "run" / "summary.json").exists()
    sys.stderr.buffer.raw.write = len


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_standard_stream_that_is_closed(closed: str, folder: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, closed, None)
    with pytest.raises(SystemExit) as ended:
        main(
            ["predict", str(folder / "run"), "-" if closed == "stdin" else str(folder / "odd.csv")]
        )
    assert ended.value.code == 2
    assert "is closed; name a file" in capsys.readouterr().err


def test_predictions_on_a_terminal(folder: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        main(["predict", str(folder / "run"), str(folder / "odd.csv"), "-q"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and r"probability_\x1b[31mröt" in shown
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(folder / "run"), str(folder / "odd.csv"), "--format", "npz"])
    assert ended.value.code == 2
    assert "npz can't be shown on a terminal; name a file with -o" in capsys.readouterr().err


def test_a_path_that_is_too_long(folder: Path):
    long = "x" * 300
    for arguments in (
        ["report", long],
        ["predict", long, folder / "odd.csv"],
        ["predict", folder / "run", f"{long}.csv"],
        ["predict", folder / "run", folder / "odd.csv", "-o", f"{long}.csv"],
        ["train", "--config", f"{long}.toml"],
        ["train", "--config", folder / "recipe.toml", "--out", long],
        ["train", "--resume", long],
        ["compare", folder / "run", "--html", f"{long}.html"],
        ["init", f"{long}.csv"],
        ["init", folder / "odd.csv", "-o", f"{long}.toml"],
        ["check", "--config", folder / "recipe.toml", "--set", f"data.path={long}.csv"],
        ["check", "--config", folder / "recipe.toml", "--set", f"name={long}"],
        ["datasets", long],
    ):
        done = called(*arguments)
        if "name=" in str(arguments[-1]):
            continue
        assert done.exit_code == 2, arguments
        assert done.stderr.count("\n") == 1 and long in done.stderr
        assert "File name too long" in done.stderr


def test_errors_are_one_line_that_can_be_printed():
    assert str(FastclfError("a\nb\x00c\x1b[31m\u202e")) == r"a b\x00c\x1b[31m\u202e"


def test_json_is_printed_as_it_is(folder: Path):
    done = called("evaluate", folder / "run", "--json", charset="ascii")
    assert RED in [row["name"] for row in json.loads(done.stdout)["test"]["per_class"]]
