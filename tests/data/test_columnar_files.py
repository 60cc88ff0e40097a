"""Parquet folders whose files differ, Arrow files, and what neither can hold; very many columns."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from columnar import options, values, write
from pyarrow import ipc

from fastclf.data import Stream, fit_encoder, load_file, read_table, stream_table
from fastclf.data.arrow import arrow_errors
from fastclf.errors import DataError
from fastclf.preprocessing import CategoricalColumn, Encoder
from fastclf.table import Categories

LARGE = 2**53


def folder(path: Path, *files: dict) -> Path:
    path.mkdir(exist_ok=True)
    for i, columns in enumerate(files):
        write(path / f"{i}.parquet", **columns)
    return path


Y = ["p", "q"]


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (pa.array([1, 2]), pa.array([0.5, None]), [1, 2, 0.5, None]),
        (pa.array([0.5, 1]), pa.array([LARGE + 1, 2]), [0.5, 1, LARGE, 2]),
        (pa.nulls(2), pa.array([0.5, 1]), [None, None, 0.5, 1]),
        (pa.nulls(2), pa.array(["a", "b"]), [None, None, "a", "b"]),
        (pa.array(["a", "b"]), pa.nulls(2), ["a", "b", None, None]),
        (pa.array([1, 2], pa.int8()), pa.array([300, 1], pa.int16()), [1, 2, 300, 1]),
        (pa.array([1, 2], pa.int8()), pa.array([2**40, 1], pa.uint64()), [1, 2, 2**40, 1]),
        (pa.array([1.5, 2], pa.float32()), pa.array([0.5, 1]), [1.5, 2, 0.5, 1]),
        (pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "c"]), ["a", "b", "b", "c"]),
    ],
)
def test_types_of_a_folder_are_unified(tmp_path: Path, first, second, wanted: list):
    path = folder(tmp_path / "t", {"x": first, "y": Y}, {"x": second, "y": Y})

    def found(parts) -> list:
        columns = [part.columns["x"] for part in parts]
        return [
            value
            for column in columns
            for value in (
                values(column)
                if isinstance(column, Categories)
                else [None if np.isnan(v) else v for v in column.values.tolist()]
            )
        ]

    assert found([read_table(path)]) == wanted
    encoder = (
        Encoder((CategoricalColumn("x", ()),)) if isinstance(wanted[1] or wanted[2], str) else None
    )
    assert (
        found(list(stream_table(path, batch_rows=1, encoder=encoder, columns=["x", "y"]))) == wanted
    )
    stream = Stream(path, "y", encoder=encoder)
    if encoder is None:
        X = np.concatenate([rows.X for rows in stream.rows_in_order()])
        np.testing.assert_array_equal(X[:, 0], [np.nan if v is None else v for v in wanted])
    else:
        assert found([raw.table for raw in stream.tables_in_order()]) == wanted


def test_files_that_cannot_be_unified_are_named(tmp_path: Path):
    numbers, texts = {"x": [1, 2], "z": [1.0, 2], "y": Y}, {"x": ["a", "b"], "z": [1.0, 2], "y": Y}
    path = folder(tmp_path / "t", numbers, texts)
    said = r'1\.parquet: column "x" holds string, but int64 in other files'
    for wrong in (
        lambda: read_table(path),
        lambda: list(stream_table(path)),
        lambda: Stream(path, "y"),
        lambda: load_file(path, options()),
    ):
        with pytest.raises(DataError, match=said):
            wrong()
    assert load_file(path, options(drop=["x"])).feature_names == ("z",)
    X = np.concatenate([rows.X for rows in Stream(path, "y", drop=["x"]).rows_in_order()])
    assert X.tolist() == [[1], [2], [1], [2]]


@pytest.mark.parametrize("lacking", [0, 1])
def test_columns_that_a_file_of_a_folder_lacks(tmp_path: Path, lacking: int):
    files = [{"x": [1, 2], "z": [1.0, 2], "y": Y}, {"x": [1, 2], "z": [1.0, 2], "y": Y}]
    del files[lacking]["x"]
    path = folder(tmp_path / "t", *files)
    for wrong in (
        lambda: read_table(path),
        lambda: list(stream_table(path)),
        lambda: Stream(path, "y"),
        lambda: load_file(path, options()),
    ):
        with pytest.raises(DataError, match=rf'{lacking}\.parquet: there is no column "x", though'):
            wrong()
    assert load_file(path, options(drop=["x"])).feature_names == ("z",)
    assert Stream(path, "y", drop=["x"]).feature_names == ("z",)


def test_names_of_folders_are_columns_of_files_that_differ(tmp_path: Path):
    folder(tmp_path / "k=a", {"x": [1, 2], "y": Y})
    folder(tmp_path / "k=b", {"y": Y, "x": [0.5, 1]})
    table = read_table(tmp_path)
    assert table.columns["x"].values.tolist() == [1, 2, 0.5, 1]
    assert values(table.columns["k"]) == ["a", "a", "b", "b"]


# Arrow files


def test_arrow_files_are_told_apart(tmp_path: Path):
    path = tmp_path / "t.arrow"
    path.write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(
        DataError, match=r"t\.arrow: this is a Feather file of version 1; write it again"
    ):
        read_table(path)
    path.write_bytes(b"x,y\n1,2\n")
    with pytest.raises(DataError, match=r"can't be read: it isn't an Arrow file or stream"):
        read_table(path)
    table = pa.table({"x": [1.0, 2, 3], "c": pa.array(["a", None, "b"]).dictionary_encode()})
    for new in (ipc.new_file, ipc.new_stream):
        with new(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
        assert values(read_table(path, ["c"]).columns["c"]) == ["a", None, "b"]
        assert [part.n_rows for part in stream_table(path)] == [2, 1]
        assert [part.rows.tolist() for part in stream_table(path, batch_rows=1)] == [[1], [2], [3]]
        with new(str(path), table.schema) as writer:
            writer.write_table(table[:0])
        assert read_table(path).shape == (0, 2)


def test_very_many_columns_take_no_more_time_each(tmp_path: Path):
    d = 20_000  # minutes, if each took a time that grows with their number
    table = pa.table([pa.array([0.5, 1.0])] * d, names=[f"x{i}" for i in range(d)])
    with ipc.new_file(str(tmp_path / "t.arrow"), table.schema) as writer:
        writer.write_table(table)
    found = read_table(tmp_path / "t.arrow")
    assert fit_encoder(found, scale="none").apply(found).shape == (2, d)


def test_integers_of_128_bits_are_refused_with_a_remedy():
    with pytest.raises(DataError, match="t.parquet: can't be read: a column holds integers of 128"):
        with arrow_errors(Path("t.parquet")):  # as pyarrow says of what polars writes
            raise pa.lib.ArrowNotImplementedError("Integers with more than 64 bits not implemented")


def test_what_arrow_cannot_convert_is_named(tmp_path: Path):
    path = write(tmp_path / "t.parquet", x=[1, 2], b=[b"a", b"b"], m=[{"k": 1}, {"k": 2}])
    with pytest.raises(
        DataError, match='column "b" holds binary, which can\'t be read; leave it out'
    ):
        read_table(path)
    with pytest.raises(DataError, match='column "m" holds struct'):
        read_table(path, ["m"])
    assert read_table(path, ["x"]).columns["x"].values.tolist() == [1, 2]
