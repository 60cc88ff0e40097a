"""From text as people bring it to predictions, as users go: init, check, train, predict."""

import bz2
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import dump_svmlight_file

from fastclf.cli import main
from fastclf.config import Recipe, load_recipe
from fastclf.errors import DataError
from fastclf.runs.draft import draft_for_file
from fastclf.runs.draft_text import write_recipe
from fastclf.runs.run import resume, train

N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2)).round(3)
PLZ = [f"{code:05d}" for code in RNG.integers(1066, 1069, N)]
Y = np.where(X[:, 0] > 0, "ja", "nein")


def rows(delimiter: str, decimal: str, first: str = "") -> str:
    names = delimiter.join(["größe", "alter", "plz", "ziel"])
    lines = [
        delimiter.join([str(a).replace(".", decimal), str(b).replace(".", decimal), code, y])
        for (a, b), code, y in zip(X.tolist(), PLZ, Y, strict=True)
    ]
    return "\n".join([*([first] if first else []), names, *lines]) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "de.csv").write_text(rows(";", ","), encoding="utf-8")
    (tmp_path / "us.csv").write_text(rows(",", "."), encoding="utf-8")
    (tmp_path / "excel.csv").write_text(rows(";", ",", "sep=;"), encoding="utf-8-sig")
    (tmp_path / "de.csv.gz").write_bytes(gzip.compress(rows(";", ",").encode()))
    return tmp_path


def run(*arguments: str, status: int = 0, stdin: bytes = b"") -> str:
    done = CliRunner().invoke(main, arguments, input=stdin)
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.stderr


def test_semicolons_and_decimal_commas_from_the_first_look_to_predictions(folder: Path):
    said = run("init", "de.csv", "--target", "ziel", "-o", "de.toml")
    assert '; ";" between values, decimal mark ",".' in said
    recipe = load_recipe(folder / "de.toml")
    assert (recipe.data.delimiter, recipe.data.decimal) == (";", ",")
    plan = run("check", "--config", "de.toml")
    assert '";" between values, decimal mark ","' in plan
    assert json.loads(run("check", "--config", "de.toml", "--json"))["n_features"] == 5
    run("train", "--config", "de.toml", "--out", "run", "-q")
    wanted = run("predict", "run", "de.csv", "-q")
    for other in ("us.csv", "excel.csv", "de.csv.gz"):
        assert run("predict", "run", other, "-q") == wanted
        found = json.loads(run("evaluate", "run", "--data", other, "--json"))
        assert [part["metrics"]["accuracy"] > 0.95 for part in found.values()] == [True]
    packed = bz2.compress(rows("\t", ".").encode())
    assert run("predict", "run", "-", "-q", stdin=packed) == wanted


def test_a_run_remembers_the_layout_that_it_saw(folder: Path):
    (folder / "r.toml").write_text('[data]\npath = "de.csv"\ntarget = "ziel"\n')
    result = train(load_recipe(folder / "r.toml"), folder / "run")
    kept = load_recipe(folder / "run" / "config.toml").data
    assert (kept.delimiter, kept.decimal) == (";", ",")
    resume(load_recipe(folder / "r.toml"), folder / "run")
    (folder / "one.csv").write_text("größe;alter;plz\n1,234;2;01067\n", encoding="utf-8")
    label = run("predict", "run", "one.csv", "-q", "--columns", "label").split()[-1]
    assert label == "ja" and result.summary["n_features"] == 5


def test_the_layout_can_be_given(folder: Path):
    run("init", "de.csv", "--target", "ziel", "--delimiter", ";", "--decimal", ",", "-q")
    data = load_recipe(folder / "recipe.toml").data
    assert (data.delimiter, data.decimal, data.encoding) == (";", ",", None)
    said = run("init", "de.csv", "--target", "ziel", "--decimal", ".", "--force", status=2)
    assert 'row 1, column "größe": ' in said and "has another decimal mark" in said
    said = run("init", "de.csv", "--target", "ziel", "--delimiter", "tab", "--force", status=2)
    assert "there are größe;alter;plz;ziel" in said
    assert "one character" in run("init", "de.csv", "--delimiter", "é", status=2)
    assert "'.', ','" in run("init", "de.csv", "--decimal", ";", status=2)


def test_other_encodings_from_the_first_look_to_predictions(folder: Path):
    text = rows(";", ",").replace("ja", "schön").replace("nein", "häßlich")
    for name, encoding in (("win.csv", "cp1252"), ("utf.csv", "utf-8"), ("excel.txt", "utf-16")):
        (folder / name).write_text(text, encoding=encoding)
    done = CliRunner().invoke(main, ["init", "win.csv", "--target", "ziel", "-o", "win.toml"])
    warning = "warning: win.csv isn't UTF-8, and is read as cp1252"
    assert done.exit_code == 0 and done.stderr.startswith(warning)
    assert 'mark ",", encoding cp1252.' in done.stdout
    assert load_recipe(folder / "win.toml").data.encoding == "cp1252"
    assert "isn't UTF-8" not in run("train", "--config", "win.toml", "--out", "given", "-q")
    (folder / "r.toml").write_text('[data]\npath = "win.csv"\ntarget = "ziel"\n')
    result = train(load_recipe(folder / "r.toml"), folder / "run")
    (line,) = result.summary["warnings"]
    assert "win.csv isn't UTF-8, and is read as cp1252" in line
    assert load_recipe(folder / "run" / "config.toml").data.encoding == "cp1252"
    resume(load_recipe(folder / "r.toml"), folder / "run")
    wanted = run("predict", "run", "win.csv", "-q")
    assert "schön" in wanted
    figures = run("evaluate", "run", "--data", "win.csv", "--json")
    for name in ("utf.csv", "excel.txt"):
        assert run("predict", "run", name, "-q") == wanted
        found = json.loads(run("evaluate", "run", "--data", name, "--json"))
        assert [part["metrics"] for part in found.values()] == [
            part["metrics"] for part in json.loads(figures).values()
        ]
    data = {"path": str(folder / "excel.txt"), "target": "ziel", "stream": True}
    streamed = train(Recipe.model_validate({"name": "t", "data": data}), folder / "streamed")
    assert streamed.model.classes.tolist() == ["häßlich", "schön"]
    assert load_recipe(folder / "streamed" / "config.toml").data.encoding == "utf-16"
    run("init", "win.csv", "--target", "ziel", "--encoding", "latin-1", "-q", "-o", "l.toml")
    assert load_recipe(folder / "l.toml").data.encoding == "latin-1"
    assert "klingon is unknown" in run("init", "win.csv", "--encoding", "klingon", status=2)
    override = ("train", "--config", "win.toml", "--set", "data.encoding=klingon")
    assert "encoding = 'klingon': the encoding is unknown" in run(*override, status=2)


def test_json_lines_from_the_first_look_to_predictions(folder: Path):
    known = [{"a": a, "b": b, "plz": c} for (a, b), c in zip(X.tolist(), PLZ, strict=True)]
    rows = [{**row, "ziel": y} for row, y in zip(known, Y, strict=True)]
    del rows[5]["b"]
    (folder / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "t.json").write_text(json.dumps(rows))
    said = run("init", "t.jsonl", "--target", "ziel", "-o", "t.toml")
    assert "t.jsonl: 120 rows, 3 columns, 1 categorical, missing values in 1." in said
    assert json.loads(run("check", "--config", "t.toml", "--json"))["n_features"] == 5
    run("train", "--config", "t.toml", "--out", "run", "-q")
    wanted = run("predict", "run", "t.jsonl", "-q")
    assert run("predict", "run", "t.json", "-q") == wanted
    lines = (folder / "t.jsonl").read_bytes()
    assert run("predict", "run", "-", "-q", stdin=gzip.compress(lines)) == wanted
    found = json.loads(run("evaluate", "run", "--data", "t.json", "--json"))
    assert [part["metrics"]["accuracy"] > 0.95 for part in found.values()] == [True]
    streamed = ("--set", "data.stream=true", "--set", "solver.tol=1e-8")
    run("train", "--config", "t.toml", "--out", "streamed", "-q", *streamed)
    labels = ("-q", "--columns", "label")
    rows_of_stream = run("predict", "streamed", "t.jsonl", *labels).split()
    assert np.mean(np.array(rows_of_stream[1:]) == Y) > 0.95
    one = run("predict", "run", "-", *labels, stdin=b'{"a": 1.5}\n')
    assert one.split() == ["label", "ja"]
    said = run("predict", "run", "-", stdin=b'{"A": 1.5}\n', status=2)
    assert 'standard input: there is no column "a"' in said


def test_text_in_a_column_of_numbers_is_named_with_what_helps(folder: Path):
    run("init", "us.csv", "--target", "ziel", "-q")
    run("train", "--config", "recipe.toml", "--out", "run", "-q")
    text = rows(",", ".")
    (folder / "new.csv").write_text(text.replace(str(X[2, 1]), "old", 1))
    said = run("predict", "run", "new.csv", status=2).strip()
    assert said.endswith('new.csv: row 3, column "alter": "old" is not a number; correct it')


def test_dates_with_dots_become_numbers(folder: Path):
    days = [f"{1 + i % 28}.{1 + i % 12:02}.{2000 + i // 12}" for i in range(N)]
    rows = [f"{day};{y}" for day, y in zip(days, Y, strict=True)]
    (folder / "d.csv").write_text("\n".join(["tag;ziel", *rows]))
    assert "tag  120 dates" in run("init", "d.csv", "--target", "ziel")
    result = train(load_recipe(folder / "recipe.toml"), folder / "run")
    assert result.model.encoder.feature_names == tuple(
        f"tag.{part}" for part in ("year", "month", "weekday", "days")
    )
    found = run("predict", "run", "-", "-q", stdin=b"tag\n01.02.2005\n2005-02-01\n").split()[1:]
    assert found[0] == found[1]


def test_streams_read_text_as_memory_does(folder: Path):
    data = {
        "path": str(folder / "de.csv.gz"),
        "test_path": str(folder / "de.csv"),
        "target": "ziel",
        "categorical": ["plz"],
    }
    exact = {"name": "t", "solver": {"tol": 1e-9}}
    wanted = train(Recipe.model_validate({"data": data, **exact}), folder / "whole")
    streamed = Recipe.model_validate({"data": {**data, "stream": True}, **exact})
    found = train(streamed, folder / "streamed")
    assert found.model.classes.tolist() == ["ja", "nein"]
    assert np.allclose(found.model.theta, wanted.model.theta, atol=1e-4)
    kept = load_recipe(folder / "streamed" / "config.toml").data
    assert (kept.delimiter, kept.decimal) == (";", ",")


def test_streams_need_pyarrow(folder: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    data = {"path": str(folder / "de.csv"), "target": "ziel", "stream": True}
    with pytest.raises(DataError, match=r"de.csv: a stream of named columns .* 'fastclf\[data\]'"):
        train(Recipe.model_validate({"name": "t", "data": data}), folder / "run")


def test_a_code_among_the_numbers_of_a_stream_is_named(folder: Path, monkeypatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 64)
    path = folder / "t.csv"
    path.write_text("x,z,y\n" + "1,7,a\n2,8,b\n" * 20 + "1,007,a\n")
    data = {"path": str(path), "test_path": str(path), "target": "y", "stream": True}
    with pytest.raises(DataError, match='t.csv: row 41, column "z": "007" has a leading zero'):
        train(Recipe.model_validate({"name": "t", "data": data}), folder / "run")


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_packed_svmlight(folder: Path, suffix: str):
    pack = {"gz": gzip.compress, "bz2": bz2.compress}[suffix]
    dump_svmlight_file(X, Y == "ja", str(folder / "d.svm"))
    path = folder / f"d.svm.{suffix}"
    path.write_bytes(pack((folder / "d.svm").read_bytes()))
    run("init", path.name, "-o", "d.toml")
    recipe = load_recipe(folder / "d.toml")
    assert recipe.name == "d"
    train(recipe, folder / "run")
    wanted = run("predict", "run", "d.svm", "-q")
    assert run("predict", "run", path.name, "-q") == wanted
    path.write_bytes(pack((folder / "d.svm").read_bytes())[:-30])
    assert path.name in run("predict", "run", path.name, status=2)


def test_an_index_and_amounts_are_told(folder: Path):
    index = RNG.permutation(N)
    lines = [f"{i},{a},{k % 21}" for k, (i, a) in enumerate(zip(index, X[:, 0], strict=True))]
    (folder / "d.csv").write_text("\n".join([",a,target", *lines]) + "\n")
    amounts = "the target has 21 different whole numbers, and each becomes a class"
    write_recipe(draft_for_file(folder / "d.csv"), folder / "d.toml")
    text = (folder / "d.toml").read_text()
    assert " ".join(text.replace("\n#", "").split()).count(amounts) == 1
    assert "c0  numbers from 0 to 119, left out" in text
    done = CliRunner().invoke(main, ["check", "--config", "d.toml", "--set", "data.drop=[]"])
    for line in (f"warning: {amounts}", "warning: c0: nearly every row has a different value"):
        assert line in done.stderr
    recipe = Recipe.model_validate({"name": "t", "data": {"path": str(folder / "d.csv")}})
    told = train(recipe, folder / "run").summary["warnings"]
    assert [line.startswith(("c0: ", "the target has 21 ")) for line in told[:2]] == [True, True]
