"""Files of columns: every format gives the same table, whole and in parts; mistakes name a row."""

import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, ipc, parquet

from fastclf.data import read_table, stream_table
from fastclf.data.tables import format_of
from fastclf.errors import DataError
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.table import Categories, Lists, Numbers, Table

CSV = """\
age,city,member,joined
31,Bonn,true,2020-01-01
,Rome,false,2021-05-06
45.5, Bonn ,,2020-01-01
NaN,?,true,NA
"""
ARROW = pa.table(
    {
        "age": [31.0, None, 45.5, float("nan")],
        "city": ["Bonn", "Rome", "Bonn", None],
        "member": [True, False, None, True],
        "joined": pa.array([18262, 18753, 18262, None], pa.date32()),
    }
)
VALUES = {
    "age": [31.0, None, 45.5, None],
    "city": ["Bonn", "Rome", "Bonn", None],
    "member": ["true", "false", None, "true"],
    "joined": ["2020-01-01", "2021-05-06", "2020-01-01", None],
}


def plain(table: Table) -> dict[str, list]:
    return {
        name: [None if np.isnan(value) else value for value in column.values.tolist()]
        if isinstance(column, Numbers)
        else [column.names[code] if code >= 0 else None for code in column.codes]
        for name, column in table.columns.items()
    }


def refusal(path: Path, **options) -> str:
    with pytest.raises(DataError) as refused:
        read_table(path, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    names = ("t.csv", "t.tsv", "t.parquet", "folder", "t.feather", "t.arrow")
    paths = {name: tmp_path / name for name in names}
    paths["t.csv"].write_text(CSV)
    paths["t.tsv"].write_text(CSV.replace(",", "\t"))
    parquet.write_table(ARROW, paths["t.parquet"])
    paths["folder"].mkdir()
    parquet.write_table(ARROW[:1], paths["folder"] / "part-0.parquet")
    parquet.write_table(ARROW[1:], paths["folder"] / "part-1.parquet")
    feather.write_feather(ARROW, str(paths["t.feather"]))
    with ipc.new_stream(paths["t.arrow"], ARROW.schema) as writer:
        writer.write_table(ARROW)
    return paths


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "folder", "t.feather", "t.arrow"])
def test_every_format_gives_the_same_table(files: dict, name: str):
    table = read_table(files[name])
    assert plain(table) == VALUES
    assert table.columns["city"].names == ("Bonn", "Rome")
    assert table.rows.tolist() == [1, 2, 3, 4]
    assert plain(read_table(files[name], ["city", "age"])) == {
        key: VALUES[key] for key in ("city", "age")
    }
    text = read_table(files[name], categorical=["age"]).columns["age"]
    assert isinstance(text, Categories) and len(text.names) == 2

    parts = list(stream_table(files[name], batch_rows=3))
    assert [number for part in parts for number in part.rows.tolist()] == [1, 2, 3, 4]
    joined = [plain(part) for part in parts]
    assert {key: sum((part[key] for part in joined), []) for key in VALUES} == VALUES


def test_text_that_is_quoted_or_has_no_names(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbf\n"a\nb",\r\n1,"x, ""y""\nz"\r\n2,w\r\n')
    assert plain(read_table(path)) == {"a\nb": [1, 2], "c1": ['x, "y"\nz', "w"]}
    path.write_text("1;2\n3;4\n")
    assert plain(read_table(path, delimiter=";")) == {"c0": [1, 3], "c1": [2, 4]}
    assert plain(read_table(path, delimiter=";", header=True)) == {"1": [3], "2": [4]}
    path.write_text("a,b\n1,2\n")
    assert plain(read_table(path, header=False)) == {"c0": ["a", "1"], "c1": ["b", "2"]}


def test_types_that_only_later_rows_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 64)
    path = tmp_path / "t.csv"
    rows = [f"{i},{i},," for i in range(40)] + ["x40,0.5,7,p", "41,41,8,q"]
    path.write_text("a,b,c,d\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match='row 41, column "a": "x40" is not a number, and nearly'):
        read_table(path)
    found = plain(read_table(path, categorical=["a"]))
    assert found["a"][39:] == ["39", "x40", "41"]
    assert found["b"][39:] == [39, 0.5, 41]
    assert found["c"][39:] == [None, 7, 8]
    assert found["d"][39:] == [None, "p", "q"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there are no rows"),
        (b"\n\n", "there are no rows"),
        (b"a,b\n1,2\n3\n", "row 2 has 1 values for 2 columns"),
        (b"a,b\n1,2,3\n", "row 1 has 3 values for 2 columns"),
        (b"a,b,a\n1,2,3\n", 'two columns are named "a"'),
    ],
)
def test_text_that_cannot_be_read(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert said in message


def test_files_that_cannot_be_read(tmp_path: Path, files: dict):
    assert "no such file (did you mean t.parquet?)" in refusal(tmp_path / "t.parqet")
    assert 'the suffix ".xyz" is unknown' in refusal(_written(tmp_path / "t.xyz", b"a"))
    for name in ("bad.parquet", "bad.arrow", "bad.feather"):
        assert "can't be read: " in refusal(_written(tmp_path / name, b"PAR1 nonsense"))
    whole = files["t.parquet"].read_bytes()
    assert "can't be read" in refusal(_written(tmp_path / "cut.parquet", whole[: len(whole) // 2]))
    assert "npz files have no named columns" in refusal(files["t.csv"], format="npz")
    assert 'no column "agee" (did you mean age?)' in refusal(files["t.csv"], columns=["agee"])
    parquet.write_table(pa.table({"s": [{"a": 1}]}), tmp_path / "s.parquet")
    assert 'column "s" holds struct' in refusal(tmp_path / "s.parquet")


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_damaged_arrow_file_is_noticed_or_harmless(tmp_path: Path):
    path = tmp_path / "t.arrow"
    feather.write_feather(ARROW, str(path), compression="uncompressed")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        try:
            assert read_table(path).n_rows >= 0
        except DataError as problem:
            assert str(path) in str(problem)
            refused += 1
    assert refused


def test_messages_are_one_line_whatever_they_quote(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text('x\n"' + "a\n" * 100 + '"\n' + "\n".join(map(str, range(500))) + "\n")
    message = refusal(path)
    assert 'row 1, column "x": "a a a ' in message and len(message) < 400


def test_arrow_types(tmp_path: Path):
    table = pa.table(
        {
            "single": pa.array([1.5, None], pa.float32()),
            "whole": pa.array([1, None], pa.int8()),
            "decimal": pa.array([1, 2]).cast(pa.decimal128(25, 2)),
            "coded": pa.array(["x", None]).dictionary_encode(),
            "numbers": pa.array([5, 6]).dictionary_encode(),
            "nothing": pa.nulls(2),
            "tags": [["b", "a"], None],
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet").columns
    assert found["single"].values.dtype == np.float32
    assert found["whole"].values.tolist()[0] == 1 and found["whole"].missing[1]
    assert found["decimal"].values.tolist() == [1, 2]
    assert found["coded"].names == ("x",)
    assert found["numbers"].values.tolist() == [5, 6]
    assert found["nothing"].missing.all()
    assert isinstance(found["tags"], Lists)
    assert (found["tags"].names, found["tags"].offsets.tolist()) == (("a", "b"), [0, 2, 2])


ENCODER = Encoder((NumericColumn("age", fill=0.0), CategoricalColumn("city", ("1", "Bonn"))))


def test_streams_have_the_types_of_the_encoder():
    text = b"city,more,age\n1,x,\n007,y,3\n"
    (part,) = stream_table(io.BytesIO(text), encoder=ENCODER)
    assert plain(part) == {"city": ["1", "007"], "age": [None, 3]}
    (part,) = stream_table(io.BytesIO(text), encoder=ENCODER, columns=["more", "age"])
    assert plain(part) == {"more": ["x", "y"], "age": [None, 3]}
    (headless,) = stream_table(io.BytesIO(b"1,2\n3,4\n"))
    assert plain(headless) == {"c0": [1, 3], "c1": [2, 4]}


def test_mistakes_in_streams_name_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 64)
    text = b"city,age\n" + b"Bonn,1\n" * 99 + b"Bonn,old\n"
    path = _written(tmp_path / "t.csv", text)
    for source, name in ((path, str(path)), (io.BytesIO(text), "standard input")):
        with pytest.raises(DataError) as refused:
            list(stream_table(source, encoder=ENCODER))
        assert str(refused.value).startswith(f'{name}: row 100, column "age": "old" is not')
    with pytest.raises(DataError, match="standard input: there are no rows"):
        list(stream_table(io.BytesIO(b"")))
    with pytest.raises(DataError, match="can't be read from a stream"):
        stream_table(io.BytesIO(b""), format="parquet")


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6),
        ),
        min_size=1,
        max_size=30,
    ),
    batch_rows=st.integers(1, 9),
)
def test_what_is_written_is_read(rows: list, batch_rows: int, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / "t.csv"
    quoted = [
        f'{"" if x is None else repr(x)},"{"t" + t.replace(chr(34), chr(34) * 2)}"' for x, t in rows
    ]
    path.write_text("x,t\n" + "\n".join(quoted) + "\n", encoding="utf-8")
    wanted = {"x": [x for x, _ in rows], "t": ["t" + t for _, t in rows]}
    assert plain(read_table(path)) == wanted
    encoder = Encoder((NumericColumn("x"), CategoricalColumn("t", ())))
    parts = [plain(part) for part in stream_table(path, encoder=encoder, batch_rows=batch_rows)]
    assert {key: sum((part[key] for part in parts), []) for key in wanted} == wanted


def test_text_needs_no_pyarrow(tmp_path: Path, files: dict, monkeypatch: pytest.MonkeyPatch):
    """Text is read without pyarrow; the table and the errors are those that pyarrow gives."""
    contents = (
        CSV,
        'a,b\n"1,5",x\n 2 ,"y\n""z"""\n\n,\n',
        "a;b\n1,5;x\n1e3; NA\n?;NA\n",
        "zip,x\n00501,1\n501,2\n",
        "a,b\n1_000,\u0661\n2,3\n",
        "x\n" + "1\n" * 9 + "q\n007\n",
        "größe\tb\r1.5\té\r-2\t\r",
        "a,b\n",
        "a,b\n1,2\n3\n",
        'a,b\n1,2\n3,"4\n',
        "a,b\n" + "".join(f"{i},\n" for i in range(40)) + "x,\n",
        "a,b\néé,1\n".encode() + b"\xff,2\n",
        '"a"\n"' + "x" * 200_000 + '"\n""\n',
    )
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 16)

    def results() -> list:
        found: list = []
        for content in contents:
            text = content if isinstance(content, bytes) else content.encode()
            path = _written(tmp_path / "t.csv", text)
            try:
                found += [plain(read_table(path)), [plain(part) for part in stream_table(path)]]
            except DataError as problem:
                found.append(str(problem))
        return found

    with_pyarrow = results()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert results() == with_pyarrow
    for name in ("t.parquet", "folder"):
        message = refusal(files[name])
        assert "run: pip install 'fastclf[data]'" in message


def test_formats_by_suffix(tmp_path: Path):
    for name, format in (("a.CSV", "csv"), ("a.libsvm", "svmlight"), ("a.npy", "npy")):
        assert format_of(_written(tmp_path / name, b"")) == format
    assert format_of(tmp_path) == "parquet"
    assert format_of(tmp_path / "a.npy", "tsv") == "tsv"
