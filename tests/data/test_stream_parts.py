"""Streams that are read in parts elsewhere, and folders of text files."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

from fastclf import LogisticRegression
from fastclf.data import Stream, load_file
from fastclf.data.options import FileOptions
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows, StreamInParts
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn

N = 400
KINDS = ("parquet", "arrow", "csv", "npy")


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, N))
    city = rng.choice(["Bonn", "Oslo"], N)
    y = np.where(a - b + (city == "Oslo") + rng.logistic(size=N) > 0, "yes", "no")
    return {"a": a, "b": b, "city": city, "w": rng.random(N), "y": y}


def write(folder: Path, kind: str, values: dict[str, np.ndarray]) -> Path:
    """Files of a kind, in several parts."""
    table = pa.table({name: pa.array(column.tolist()) for name, column in values.items()})
    if kind == "arrow":
        feather.write_feather(table, str(folder / "rows.arrow"), chunksize=150)
        return folder / "rows.arrow"
    (folder / "rows").mkdir()
    for i in range(3):
        part = table.slice(i * 150, 150)
        if kind == "parquet":
            parquet.write_table(part, folder / "rows" / f"{i}.parquet", row_group_size=60)
        else:
            csv.write_csv(part, folder / "rows" / f"{i}.csv")
    return folder / "rows"


def stream(folder: Path, kind: str, values: dict[str, np.ndarray], **settings) -> Stream:
    if kind == "npy":
        np.save(folder / "X.npy", np.stack([values["a"], values["b"]], axis=1))
        np.save(folder / "y.npy", values["y"])
        return Stream(folder / "X.npy", target_path=folder / "y.npy", chunk_rows=90)
    path = write(folder, kind, values)
    return Stream(path, "y", columns=["a", "b"], weight="w", **settings)


def joined(pieces: list[Rows]) -> list[np.ndarray]:
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True) if parts[0] is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_of_a_pickled_stream_are_its_rows(tmp_path: Path, kind: str):
    source = stream(tmp_path, kind, columns())
    there = pickle.loads(pickle.dumps(source))
    assert isinstance(there, StreamInParts) and there.n_parts == source.n_parts > 2
    wanted = joined(list(source.rows_in_order()))
    for own in (there, source):
        found = joined([own.part(i) for i in range(own.n_parts)])
        for one, other in zip(found, wanted, strict=True):
            assert one.dtype == other.dtype and (one == other).all()
    found = joined(list(there.rows_in_order()))
    assert all((one == other).all() for one, other in zip(found, wanted, strict=True))


def test_what_is_pickled_does_not_grow_with_metadata_or_rows(tmp_path: Path):
    values = columns() | {f"more{i}": columns()["a"] for i in range(50)}
    path = write(tmp_path, "parquet", values)
    assert len(pickle.dumps(Stream(path, "y", drop=["city"]))) < 30_000
    assert len(pickle.dumps(stream(tmp_path, "npy", columns()))) < 3_000


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_parts_with_categories(tmp_path: Path, kind: str):
    city = CategoricalColumn("city", ("Bonn", "Oslo"))
    encoder = Encoder((NumericColumn("a"), city))
    source = Stream(write(tmp_path, kind, columns()), "y", encoder=encoder)
    there = pickle.loads(pickle.dumps(source))
    wanted = joined(list(source.rows_in_order()))
    found = joined([there.part(i) for i in range(there.n_parts)])
    assert all((one == other).all() for one, other in zip(found, wanted, strict=True))


def test_a_part_without_rows(tmp_path: Path):
    path = write(tmp_path, "csv", columns())
    (path / "1.csv").write_text('"a","b","city","w","y"\n')
    source = Stream(path, "y", columns=["a", "b"])
    assert source.part(1).X.shape == (0, 2)
    assert len(joined(list(source.rows_in_order()))[0]) == N - 150


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("parquet", "1.parquet: row 73"),
        ("csv", "1.csv: row 73"),
        ("arrow", "rows.arrow: record batch 2: row 73"),
    ],
)
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("a", np.nan, ', column "a": a missing value; fill it in'),
        ("w", -1.0, ": the weight is -1.0"),
        ("y", "", ', column "y": the target is missing'),
    ],
)
def test_a_bad_value_is_named_by_file_and_row(
    tmp_path: Path, kind: str, said: str, column: str, value: object, message: str
):
    values = columns()
    values[column][150 + 72] = value
    source = stream(tmp_path, kind, values)
    bad = [i for i in range(source.n_parts) if source.place(i).name.startswith(said.split(":")[0])]
    with pytest.raises(DataError, match=f"{said}{message}"):
        for i in bad or range(source.n_parts):
            source.part(i)


def test_files_that_another_machine_lacks_or_has_otherwise(tmp_path: Path):
    path = write(tmp_path, "parquet", columns())
    content = pickle.dumps(Stream(path, "y", columns=["a"]))
    (path / "0.parquet").touch()  # a copy has another time
    there = pickle.loads(content)
    assert len(there.part(0).X)
    (path / "0.parquet").write_bytes((path / "2.parquet").read_bytes())
    with pytest.raises(DataError, match="0.parquet: the file has changed since it was opened"):
        there.part(0)
    (path / "0.parquet").unlink()
    with pytest.raises(DataError, match="0.parquet: no such file on .*at the same path"):
        there.part(0)


def test_a_fit_to_a_folder_of_text_is_that_to_one_file(tmp_path: Path):
    folder = write(tmp_path, "csv", columns())
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.csv").write_text("no header")
    lines = [path.read_text().splitlines() for path in sorted(folder.glob("[0-9].csv"))]
    whole = tmp_path / "whole.csv"
    whole.write_text("\n".join([lines[0][0], *(row for own in lines for row in own[1:])]) + "\n")
    settings = {"columns": ["a", "b"], "weight": "w", "chunk_rows": 50}
    wanted, found = (
        LogisticRegression(tol=1e-9).fit(Stream(path, "y", **settings)) for path in (whole, folder)
    )
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-7)


def test_files_of_a_folder_have_one_header_one_layout_and_one_kind_of_labels(tmp_path: Path):
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "0.csv").write_text("a;y\n1,5;0\n2,5;1\n")
    (folder / "1.csv").write_text("a;y\n3;0\n4;1\n")
    source = Stream(folder, "y")
    assert source.part(0).X.ravel().tolist() == [1.5, 2.5]
    assert [*source.part(1).X.ravel(), *source.part(1).y] == [3, 4, 0, 1]
    (folder / "1.csv").write_text("a;y\n3;no\n")
    with pytest.raises(DataError, match='1.csv: row 1, column "y": "no" is not a number'):
        list(Stream(folder, "y").rows_in_order())
    (folder / "1.csv").write_text("b;y\n3;0\n")
    with pytest.raises(DataError, match="1.csv: its columns are b, y, but those of 0.csv are a, y"):
        Stream(folder, "y")
    (folder / "1.csv").write_text("a;y\n3;0;1\n")
    with pytest.raises(DataError, match="1.csv: row 1 has 3 values for 2 columns"):
        Stream(folder, "y").part(1)


def test_folders_that_are_no_stream(tmp_path: Path):
    folder = tmp_path / "rows"
    folder.mkdir()
    with pytest.raises(DataError, match="the folder is empty; write CSV files into it"):
        Stream(folder, "y", format="csv")
    (folder / "0.csv").write_text("a,y\n1,0\n")
    with pytest.raises(DataError, match="a folder of text files can only be streamed"):
        load_file(folder, FileOptions(target="y"))
    (folder / "1.tsv").write_text("a\ty\n1\t0\n")
    with pytest.raises(DataError, match="holds both CSV and TSV files"):
        Stream(folder, "y")
