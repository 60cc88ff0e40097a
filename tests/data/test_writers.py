"""Predictions as files: what each format holds, and that a file appears whole or not at all."""

import csv
import io
import json
import resource
import signal
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from fastclf.data.compressed import open_decompressed
from fastclf.data.writers import Predictions, format_of_output, writing_predictions
from fastclf.errors import DataError
from fastclf.table import Categories

FORMATS = ["csv", "jsonl", "parquet", "npz"]
CITY = Categories(np.array([0, -1, 1, 0], np.int32), ('Rome, "IT"', "Bonn"))


def some(rng: np.random.Generator, n: int = 4, **changes: object) -> Predictions:
    p = rng.dirichlet(np.ones(3), size=n).astype(np.float32)
    fields = {
        "classes": np.array(["a", "b", "c"]),
        "codes": p.argmax(axis=1),
        "probabilities": p,
        "kept": {},
    }
    return Predictions(**{**fields, **changes})


def written(format: str, *parts: Predictions) -> bytes:
    file = io.BytesIO()
    with writing_predictions(file, format) as writer:
        for part in parts:
            writer.write(part)
    return file.getvalue()


def rows_of(format: str, content: bytes) -> list[dict]:
    """Read rows back, all values as text."""
    if format == "csv":
        return list(csv.DictReader(io.StringIO(content.decode())))
    if format == "jsonl":
        found = [json.loads(line) for line in content.decode().splitlines()]
    elif format == "parquet":
        found = parquet.read_table(io.BytesIO(content)).to_pylist()
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in found]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_parts_become_rows(format: str, rng):
    first, second = some(rng, kept={"city": CITY}), some(rng, kept={"city": CITY})
    rows = rows_of(format, written(format, first, second))
    assert len(rows) == 8
    p = np.concatenate([first.probabilities, second.probabilities])
    assert list(rows[0]) == ["city", "label", "probability_a", "probability_b", "probability_c"]
    assert [row["city"] for row in rows] == ['Rome, "IT"', "", "Bonn", 'Rome, "IT"'] * 2
    assert [row["label"] for row in rows] == ["abc"[code] for code in p.argmax(axis=1)]
    for k, name in enumerate("abc"):
        found = np.array([row[f"probability_{name}"] for row in rows], dtype=np.float32)
        assert np.array_equal(found, p[:, k])


def test_npz_holds_arrays(rng):
    first, second = some(rng, kept={"city": CITY}), some(rng, kept={"city": CITY})
    content = written("npz", first, second)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        assert sorted(archive) == ["city", "classes", "labels", "probabilities"]
        p = np.concatenate([first.probabilities, second.probabilities])
        assert np.array_equal(archive["probabilities"], p)
        assert archive["probabilities"].dtype == np.float32
        assert archive["labels"].tolist() == ["abc"[code] for code in p.argmax(axis=1)]
        assert archive["classes"].tolist() == ["a", "b", "c"]
        assert archive["city"].tolist() == ['Rome, "IT"', "", "Bonn", 'Rome, "IT"'] * 2
    assert content == written("npz", first, second)


@pytest.mark.parametrize("classes", [np.array([0, 7]), np.array([False, True]), np.array([0.5, 2])])
def test_labels_keep_their_type(classes: np.ndarray):
    part = Predictions(classes, np.array([1, 0]), None)
    (first, _) = map(json.loads, written("jsonl", part).decode().splitlines())
    assert first == {"label": classes.tolist()[1]}
    with np.load(io.BytesIO(written("npz", part))) as archive:
        assert np.array_equal(archive["labels"], classes[::-1])
    names = Predictions(np.array(["x", "y"], dtype=object), np.array([1, 0]), None)
    with np.load(io.BytesIO(written("npz", names)), allow_pickle=False) as archive:
        assert archive["labels"].tolist() == ["y", "x"]


@pytest.mark.parametrize(
    ("format", "expected"),
    [("csv", ["a;c", "", "b"]), ("jsonl", ["['a', 'c']", "[]", "['b']"])],
)
def test_several_labels_a_row(format: str, expected: list, rng):
    indicators = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    part = some(rng, 3, codes=indicators)
    rows = rows_of(format, written(format, part))
    assert [row["labels"] for row in rows] == expected
    with np.load(io.BytesIO(written("npz", part))) as archive:
        assert np.array_equal(archive["labels"], indicators)


def test_one_kind_of_column_alone(rng):
    assert list(rows_of("csv", written("csv", some(rng, probabilities=None)))[0]) == ["label"]
    rows = rows_of("csv", written("csv", some(rng, codes=None)))
    assert list(rows[0]) == ["probability_a", "probability_b", "probability_c"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_rows_has_its_columns(format: str, rng):
    content = written(format, some(rng, 0))
    if format == "csv":
        assert content == b"label,probability_a,probability_b,probability_c\n"
    elif format == "parquet":
        assert parquet.read_table(io.BytesIO(content)).num_columns == 4
    elif format == "npz":
        with np.load(io.BytesIO(content)) as archive:
            assert archive["probabilities"].shape == (0, 3)
    else:
        assert content == b""


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_appears_whole_or_not_at_all(format: str, tmp_path: Path, rng):
    path = tmp_path / f"out.{format}"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), writing_predictions(path, format) as writer:
        writer.write(some(rng))
        _ = 1 / 0
    assert path.read_text() == "old"
    with writing_predictions(path, format) as writer:
        writer.write(some(rng))
    assert path.stat().st_size > 3
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_places_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "out.csv"
    with (
        pytest.raises(DataError, match=r"out.csv: can't be written: Not a directory"),
        writing_predictions(path, "csv"),
    ):
        pass


def test_suffixes_mean_formats():
    assert format_of_output(Path("a.CSV")) == "csv"
    assert format_of_output(Path("a.ndjson")) == "jsonl"
    with pytest.raises(DataError, match=r'the suffix ".txt" is unknown.*--format'):
        format_of_output(Path("a.txt"))


def test_without_pyarrow_only_parquet_is_missing(tmp_path: Path, monkeypatch, rng):
    kept = {"city": CITY, "a,b": Categories(np.array([0, 0, 1, -1], np.int32), ("x", "y\n"))}
    p = np.array([[0.1, 1e-7, 0.9], [1, 0, 0], [0.25, 0.5, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    ranked = {"codes": None, "ranked": np.array([[2], [0], [1], [1]]), "probabilities": p[:, :1]}
    parts = [
        some(rng, kept=kept),
        some(rng, probabilities=p),
        some(rng, codes=(p > 0.3).astype(int)),
        some(rng, **ranked),
        Predictions(np.array([False, True]), np.array([1, 0]), None),
        Predictions(np.array([7, 2**63], np.uint64), np.array([1, 0]), None),
    ]
    wanted = [[rows_of(format, written(format, part)) for part in parts] for format in FORMATS[:2]]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = [[rows_of(format, written(format, part)) for part in parts] for format in FORMATS[:2]]
    assert found[1] == wanted[1]
    for rows, others in zip(found[0], wanted[0], strict=True):
        for row, other in zip(rows, others, strict=True):
            assert list(row) == list(other)
            for name, cell in row.items():
                number = name.startswith("probability")
                assert float(cell) == float(other[name]) if number else cell == other[name]
    with (
        pytest.raises(DataError, match=r"pip install 'fastclf\[data\]', or write CSV"),
        writing_predictions(tmp_path / "out.parquet", "parquet"),
    ):
        pass
    with writing_predictions(tmp_path / "out.npz", "npz") as writer:
        writer.write(some(rng))
    assert zipfile.is_zipfile(tmp_path / "out.npz")


def test_output_is_compressed_by_its_suffix(tmp_path: Path, rng):
    part = some(rng, kept={"city": CITY})
    for name in ("p.csv.gz", "p.jsonl.bz2", "p.ndjson.xz", "p.csv.zst"):
        path = tmp_path / name
        format = format_of_output(path)
        contents = []
        for _ in range(2):
            with writing_predictions(path, format) as writer:
                writer.write(part)
                writer.write(part)
            contents.append(path.read_bytes())
            with open_decompressed(path) as file:
                assert file.read() == written(format, part, part)
        assert contents[0] == contents[1] != written(format, part, part)
        with pytest.raises(ZeroDivisionError), writing_predictions(path, format) as writer:
            _ = 1 / 0
        assert path.read_bytes() == contents[0]
    with pytest.raises(DataError, match=r"npz.gz: only CSV and JSON lines are written compressed"):
        with writing_predictions(tmp_path / "p.npz.gz", format_of_output(tmp_path / "p.npz.gz")):
            pass
    assert sorted(tmp_path.glob("*npz*")) == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    format: str, tmp_path: Path, monkeypatch, rng
):
    path = tmp_path / f"out.{format}"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with (
            pytest.raises(DataError, match="can't be written: File too large; make room there"),
            writing_predictions(path, format) as writer,
        ):
            for _ in range(10):
                writer.write(some(rng, 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_formulas_are_escaped_on_demand(rng):
    names = ("=1+1", "+x", "-5", "-x", "@a", "\tb", "a=b", "＝c", "1e3")
    kept = {"=k": Categories(np.arange(9, dtype=np.int32), names)}
    part = some(rng, 9, kept=kept, probabilities=None, classes=np.array(["=a", "b", "-1"]))
    file = io.BytesIO()
    with writing_predictions(file, "csv", escape_formulas=True) as writer:
        writer.write(part)
    header, *rows = csv.reader(io.StringIO(file.getvalue().decode()))
    assert header == ["'=k", "label"]
    wanted = ["'=1+1", "'+x", "-5", "'-x", "'@a", "'\tb", "a=b", "'＝c", "1e3"]
    assert [row[0] for row in rows] == wanted
    assert {row[1] for row in rows} <= {"'=a", "b", "-1"}
    numbers = Predictions(np.array([-1, 1]), np.array([0]), None)
    file = io.BytesIO()
    with writing_predictions(file, "csv", escape_formulas=True) as writer:
        writer.write(numbers)
    assert file.getvalue() == b"label\n-1\n"


def test_a_column_name_with_nul_in_an_archive(rng):
    kept = {"a\x00x": CITY, "a\x00y": CITY}
    with np.load(io.BytesIO(written("npz", some(rng, kept=kept)))) as archive:
        assert {"a\\x00x", "a\\x00y"} < set(archive)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_ranked_classes_become_columns(format: str, rng):
    ranked = np.array([[2, 0], [1, 2], [0, 1], [1, 0]])
    part = some(rng, codes=None, kept={"city": CITY}, ranked=ranked)
    part = replace(part, probabilities=np.take_along_axis(part.probabilities, ranked, axis=1))
    rows = rows_of(format, written(format, part))
    assert list(rows[0]) == ["city", "label_1", "probability_1", "label_2", "probability_2"]
    for place in (0, 1):
        assert [row[f"label_{place + 1}"] for row in rows] == part.classes[
            ranked[:, place]
        ].tolist()
        found = [float(row[f"probability_{place + 1}"]) for row in rows]
        assert np.array_equal(np.float32(found), part.probabilities[:, place])
    with np.load(io.BytesIO(written("npz", part, part))) as archive:
        assert archive["labels"].tolist() == part.classes[ranked].tolist() * 2
        assert np.array_equal(archive["probabilities"][4:], part.probabilities)


def test_each_batch_is_flushed(rng):
    class Pipe(io.BytesIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed = len(self.getvalue())

    file = Pipe()
    with writing_predictions(file, "csv") as writer:
        for _ in range(2):
            before = file.flushed
            writer.write(some(rng))
            assert file.flushed == len(file.getvalue()) > before
