"""JSON lines: the table of a Parquet file with the same rows, whole and in parts; and mistakes."""

import gzip
import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fastclf.data import open_table, read_table, stream_table
from fastclf.data.arriving import as_it_comes
from fastclf.errors import DataError
from fastclf.preprocessing import Encoder, NumericColumn
from fastclf.table import Lists, Numbers, Table

ROWS = [
    {"age": 31, "city": "Zürich", "member": True, "x": 1.5, "tags": ["a", "b"], "code": "007"},
    {"age": None, "city": " Rome ", "member": False, "tags": [], "id": 2**60 + 1},
    {"age": 45.5, "city": "", "x": 1e300, "tags": None, "code": "12", "id": 5},
    {"x": float("nan"), "member": True, "city": "NA", "tags": ["b", "b", "c"], "code": "1"},
]
NAMES = ("age", "city", "member", "x", "tags", "code", "id")


def plain(table: Table) -> dict[str, list]:
    found = {}
    for name, column in table.columns.items():
        if isinstance(column, Lists):
            pieces = np.split(column.codes, column.offsets[1:-1])
            found[name] = [[column.names[code] for code in piece] for piece in pieces]
        elif isinstance(column, Numbers):
            found[name] = [None if value != value else value for value in column.values.tolist()]
        else:
            found[name] = [column.names[code] if code >= 0 else None for code in column.codes]
    return found


def lines(rows: list, end: str = "\n") -> bytes:
    return end.join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


@pytest.fixture
def written(tmp_path: Path):
    def write(content: bytes | list, name: str = "t.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(lines(content) if isinstance(content, list) else content)
        return path

    return write


def test_the_table_is_that_of_parquet(written, tmp_path: Path, monkeypatch):
    columns = {name: [row.get(name) for row in ROWS] for name in NAMES}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    wanted = plain(read_table(tmp_path / "t.parquet"))
    assert wanted["tags"] == [["a", "b"], [], [], ["b", "b", "c"]]
    exact = plain(read_table(tmp_path / "t.parquet", categorical=["id", "age"]))
    content = lines(ROWS)
    paths = [
        written(content),
        written(b"\xef\xbb\xbf\n" + lines(ROWS, "\r\n \r\n") + b"\n\n", "bom.ndjson"),
        written(gzip.compress(content), "t.jsonl.gz"),
        written(f"\n[{','.join(map(json.dumps, ROWS))}]\n".encode(), "t.json"),
        written(content.decode().encode("utf-16"), "u.jsonl"),
    ]
    for block in (1 << 20, 7):
        monkeypatch.setattr("fastclf.data.json_lines._BLOCK", block)
        for path in paths:
            file = open_table(path)
            assert file.names == NAMES and file.layout is None
            assert plain(file.read()) == wanted
            assert plain(read_table(path, ["x", "age"])) == {k: wanted[k] for k in ("x", "age")}
            assert plain(read_table(path, categorical=["id", "age"])) == exact
            parts = [*stream_table(path, batch_rows=3)]
            assert [row for part in parts for row in part.rows.tolist()] == [1, 2, 3, 4]
            joined = [plain(part) for part in parts]
            for name in NAMES[:-1]:  # in a part with integers only, the last isn't rounded
                assert sum((part[name] for part in joined), []) == wanted[name]
    with pytest.raises(DataError, match="line 1 isn't UTF-8 text; correct it, or set data.enc"):
        read_table(written(b'{"a": "\xe9"}'), encoding="utf-8")
    assert plain(read_table(written(b'{"a": "\xe9"}'), encoding="latin-1")) == {"a": ["é"]}


def test_mixed_values_become_text_unless_nearly_all_are_numbers(written):
    rows = [{"a": value} for value in (1, 2.0, 2.5, True, "x", None)]
    assert plain(read_table(written(rows))) == {"a": ["1", "2", "2.5", "true", "x", None]}
    rows = [{"a": i} for i in range(40)] + [{"a": "unknown"}]
    with pytest.raises(DataError, match='row 41, column "a": "unknown" is not a number, and near'):
        read_table(written(rows))
    numbers = Encoder((NumericColumn("a"),))
    with pytest.raises(DataError, match=r't.jsonl: row 41, column "a": "unknown" is not a number'):
        list(stream_table(written(rows), encoder=numbers, batch_rows=16))
    as_text = [{"a": "1.5"}, {"a": " 2"}, {}]  # from a program that writes all values as text
    parts = stream_table(written(as_text), encoder=numbers)
    assert sum((plain(part)["a"] for part in parts), []) == [1.5, 2, None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1}\n{"a": 2,}\n', "line 2 isn't a JSON object: "),
        (b'{\n "a": [1, 2]\n}\n', "line 1 isn't a JSON object"),
        (b'{"a": 1}\n\n[2]\n', "line 3 holds a list instead of an object; write each row as"),
        (b"7\n", "line 1 holds a number instead of an object"),
        (b'[{"a": 1}, null]', "row 2 is null instead of an object"),
        (b'[{"a": 1},', "isn't a JSON array: Expecting value"),
        (b"", "there are no rows"),
        (b"[]", "there are no rows"),
        (b'{"a": 1}\n{"a": {"b": 1}}\n', 'row 2, column "a": an object; write its values under'),
        (b'{"a": [1]}\n{"a": 2}\n', 'row 2, column "a": a number instead of a list'),
        (b'{"a": [[1]]}\n', 'row 1, column "a": a list in a list; write a list of names'),
        (b'{"a": 1}\n{"a": 1' + b"0" * 400 + b"}\n", 'row 2, column "a": the number is too large'),
        (b"[" * 100_000, "isn't a JSON array"),
    ],
)
def test_mistakes_are_named(written, content: bytes, said: str):
    path = written(content)
    with pytest.raises(DataError) as refused:
        read_table(path)
    assert str(refused.value).startswith(f"{path}: {said}")
    if b'"b"' in content:  # other columns can be used
        assert plain(read_table(written(b'{"c": 1, "a": {"b": 1}}'), ["c"])) == {"c": [1]}


def test_a_stream_of_objects_is_known_by_its_brace():
    content = b'{"age": 1}\n{"city": "Rome", "age": null}\n'
    for packed in (content, gzip.compress(content), content.replace(b"\n", b"")[:10]):
        file = open_table(io.BytesIO(packed), expected=("age", "city"))
        assert file.names == ("age", "city")  # the first row may lack some
        (part,) = file.batches(["age", "city"], numbers=["age"], text=["city"])
        assert plain(part)["age"][0] == 1 and plain(part)["city"][0] is None
    assert open_table(io.BytesIO(content), expected=("x",)).names == ("age", "city")
    assert plain(open_table(io.BytesIO(content)).read())["age"] == [1, None]
    out, into = os.pipe()
    with os.fdopen(out, "rb") as reading, os.fdopen(into, "wb", buffering=0) as writing:
        writing.write(b'{"a": 1}\n{"a": 2}\n{"a"')
        parts = open_table(as_it_comes(reading), expected=("a",)).batches(["a"], numbers=["a"])
        assert plain(next(parts)) == {"a": [1, 2]}
        writing.write(b": 3}\n")
        assert plain(next(parts)) == {"a": [3]}
        writing.close()
        assert list(parts) == []
