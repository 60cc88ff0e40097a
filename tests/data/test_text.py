"""Text as people really bring it: its layout, packing, encodings and spellings."""

import bz2
import gzip
import io
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fastclf.data import open_table, read_table, stream_table
from fastclf.data.compressed import stem
from fastclf.data.encodings import Decoded
from fastclf.data.pieces import line_pieces
from fastclf.data.text_columns import has_leading_zero, is_number
from fastclf.data.text_numbers import columns_with_leading_zeros
from fastclf.errors import DataError
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.table import Numbers, Table


def plain(table: Table) -> dict[str, list]:
    return {
        name: [None if np.isnan(value) else value for value in column.values.tolist()]
        if isinstance(column, Numbers)
        else [column.names[code] if code >= 0 else None for code in column.codes]
        for name, column in table.columns.items()
    }


def in_parts(source, **options) -> dict[str, list]:
    parts = [plain(part) for part in stream_table(source, **options)]
    return {name: sum((part[name] for part in parts), []) for name in parts[0]}


@pytest.fixture
def written(tmp_path: Path):
    def write(content: bytes | str, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path: Path, **options) -> str:
    with pytest.raises(DataError) as refused:
        read_table(path, **options)
    assert str(refused.value).startswith(f"{path}: ")
    return str(refused.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("a,b\n1,2\n", ",", "."),
        ("a;b\n1;2\n", ";", "."),
        ("a;b\n1,5;x\n2;y\n", ";", ","),
        ("a\tb\n1,5\tx\n", "\t", ","),
        ("a|b\n1.5|x\n", "|", "."),
        ("1,5;2,5\n3,5;4,5\n", ";", ","),  # a comma cuts these, too, into three
        ("1,2;3\n4,5;6\n", ";", ","),
        ("x y,1;2\nz,3;4\n", ",", "."),
        ('a,b\n"1,5",2\n', ",", "."),  # may be a list
        ("a;b\n1,234;2,345\n", ";", "."),  # may be thousands
        ("a;b\n1,234;2,5\n", ";", ","),
        ("a;b\n1.234,5;2,5\n", ";", ","),
        ("a;b\n1,5;2.5\n", ";", "."),  # no telling
        ("a;b;c\n ;NA;?\n1,5;2,5;3\n", ";", ","),
        ("text\nhello, world; and so on\n", ",", "."),
        ("sep=|\na|b,c\n1|2\n", "|", "."),
        ('"sep=;"\r\na;b\r\n1,5;2\r\n', ";", ","),
        ("a;b\n" + "1;2\n" * 30 + "3\n", ";", "."),
    ],
)
def test_the_layout_is_seen(written, text: str, delimiter: str, decimal: str):
    layout = open_table(written(text)).layout
    assert (layout.delimiter, layout.decimal) == (delimiter, decimal)


def test_values_are_read_as_they_are_laid_out(written):
    path = written("sep=;\na;b\n1,5;x\n-2;y, z\n")
    wanted = {"a": [1.5, -2], "b": ["x", "y, z"]}
    assert plain(read_table(path)) == in_parts(path, batch_rows=1) == wanted
    path = written("a;b\n1,5;x\n")
    assert plain(read_table(path, decimal=".")) == {"a": ["1,5"], "b": ["x"]}
    assert open_table(path, delimiter=",").names == ("a;b",)
    path = written('a,b\n"1,5",x\n')
    assert plain(read_table(path, decimal=",")) == {"a": [1.5], "b": ["x"]}
    assert open_table(written("a\tb;c\n1\t2;3\n", "t.tsv")).names == ("a", "b;c")
    long = "a;b\n" + "x" * 200_000 + ";1,5\n"
    assert plain(read_table(written(long)))["b"] == [1.5]


def test_a_file_like_another_may_be_laid_out_otherwise(written):
    known = {"delimiter": ";", "decimal": ",", "expected": ("a", "b")}
    for text, delimiter, decimal in (
        ("a;b\n1,234;2\n", ";", ","),
        ("a;b\n1.5;2\n", ";", "."),
        ("b,a\n1.5,2\n", ",", "."),
        ("b\ta\n1,5\t2\n", "\t", ","),
        ("a,x\n1,2\n", ",", ","),  # it has no b, however it is cut
    ):
        layout = open_table(written(text), **known).layout
        assert (layout.delimiter, layout.decimal) == (delimiter, decimal), text


@pytest.mark.parametrize("many", [False, True])
def test_blanks_around_missing_values_and_numbers(written, many: bool, monkeypatch):
    if many:
        monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 16)
    cells = ["1.5", " ", " NA", "? ", "", "NA", "\tnan", " 2", "+3"]
    wanted = {"x": [1.5, *[None] * 6, 2, 3], "y": ["k"] * 9}
    path = written("x,y\n" + "".join(f"{cell},k\n" for cell in cells))
    encoder = Encoder((NumericColumn("x"), CategoricalColumn("y", ("k",))))
    assert plain(read_table(path)) == wanted
    assert in_parts(path) == in_parts(path, encoder=encoder) == wanted
    german = written(path.read_text().replace(",", ";").replace(".", ","))
    assert plain(read_table(german)) == in_parts(german, encoder=encoder) == wanted


def test_leading_zeros_mean_text(written, monkeypatch):
    path = written('zip,x,"n"\n00501,0.5,0\n"0501",00.5,-0\n7,1,0\n')
    wanted = {"zip": ["00501", "0501", "7"], "x": [0.5, 0.5, 1], "n": [0, 0, 0]}
    assert plain(read_table(path)) == in_parts(path) == wanted
    numbers = Encoder((NumericColumn("zip"),))  # whoever was trained on numbers takes such
    assert in_parts(path, encoder=numbers) == {"zip": [501, 501, 7]}
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 16)
    later = written("zip,x\n" + "7,1\n" * 20 + "007,1\n")
    assert plain(read_table(later))["zip"] == ["7"] * 20 + ["007"]
    with pytest.raises(DataError, match='row 21, column "zip": "007" has a leading zero'):
        in_parts(later)
    # Codes are no numbers with a little text among them.
    codes = written("zip\n" + "".join(f"{i:05d}\n" for i in range(99)) + "none\n")
    assert plain(read_table(codes))["zip"][-1] == "none"


@pytest.mark.parametrize("value", ["0501", "-007", '"00"', " 01 ", "00", "+01"])
def test_no_leading_zero_is_overlooked(value: str):
    for n, rows in itertools.product((1, 2, 3), (0, 1, 2)):
        usual = ",".join(['"1,0\n0"', "0", "0.5"][:n]) + "\r\n"
        for column, end in itertools.product(range(n), ("", "\n", "\n" + usual)):
            cells = ["10"] * n
            cells[column] = value
            text = usual * rows + ",".join(cells) + end
            assert columns_with_leading_zeros(text.encode(), ",", n) == {column}, text


def test_usual_numbers_are_taken_for_no_codes():
    text = b"0,10,0.5,-0.01,100,2020-01-05,00.5,05:30\n01/02/2020,0,0,,,,,\n"
    assert not columns_with_leading_zeros(text, ",", 8)
    assert not columns_with_leading_zeros(b"", ",", 1)
    assert not columns_with_leading_zeros(b"0", ",", 2)


@pytest.mark.parametrize("text", "1 -1.5 +.5 1. 1e5 2E-3 inf -Infinity nan".split())
def test_what_a_number_is(text: str):
    assert is_number(text) and not has_leading_zero(text)
    assert is_number(text.replace(".", ","), ",")


@pytest.mark.parametrize(
    "text", ["", " 1", "1_000", "0x10", "1,5", "1 000", "\u0663", "1e", ".", "1.2.3"]
)
def test_what_a_number_is_not(text: str, written):
    assert not is_number(text)
    (column,) = read_table(written(f'x\n"{text or "z"}"\n')).columns.values()
    assert isinstance(column, Numbers) == (text == " 1")


@pytest.mark.parametrize("number", ["1.{},5", "1,{}", "{}'000"])
def test_numbers_in_another_notation_are_refused(written, number: str):
    rows = [number.format(f"{i:03d}") for i in range(100, 120)]
    path = written("a;b\n" + "".join(f"{row};2.5\n" for row in rows))
    assert refusal(path).startswith(f'row 1, column "a": "{rows[0]}" has another decimal mark')
    assert plain(read_table(path, categorical=["a"]))["a"] == rows


LONG = "a,b\r\n" + "".join(f'{i},"x\r\n{"y" * (i % 7)}\n""q"" {i}"\r\n' for i in range(60))


@pytest.mark.parametrize("size", [*range(20, 60, 3), 1 << 22])
def test_line_breaks_in_quotes_at_the_end_of_a_piece(written, size: int, monkeypatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", size)
    path = written(LONG)
    wanted = {
        "a": list(range(60)),
        "b": [f'x\r\n{"y" * (i % 7)}\n"q" {i}' for i in range(60)],
    }
    assert plain(read_table(path)) == in_parts(path, batch_rows=7) == wanted


@pytest.mark.parametrize("size", [5, 9, 14, 1000])
def test_quotes_within_values_open_nothing(size: int):
    text = b'a,5" pipe\nb,"x\ny"\nc,6"\nd,"z\n""w"\n'
    pieces = [*line_pieces(io.BytesIO(text), size)]
    assert b"".join(pieces) == text
    assert all(piece.startswith((b"a,", b"b,", b"c,", b"d,")) for piece in pieces)


@pytest.mark.parametrize("size", [8, 64, 1 << 22])
def test_carriage_returns_end_lines(written, size: int, monkeypatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", size)
    path = written("a;b\r" + "1,5;x\r" * 20)
    assert plain(read_table(path)) == in_parts(path) == {"a": [1.5] * 20, "b": ["x"] * 20}


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": pa.Codec("zstd").compress}
TEXT = b"a,b\n" + b"".join(b"%d,x%d\n" % (i, i * i) for i in range(999))


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_text(written, suffix: str):
    packed = PACKERS[suffix](TEXT)
    packed = packed if isinstance(packed, bytes) else packed.to_pybytes()
    wanted = plain(read_table(written(TEXT)))
    for path in (written(packed, f"t.csv{suffix}"), written(packed)):
        assert plain(read_table(path)) == in_parts(path) == wanted
    assert in_parts(io.BytesIO(packed)) == wanted
    assert stem(Path(f"x/t.csv{suffix}")) == "t"
    cut = [packed[: len(packed) // 2]]
    changed = packed[:99] + b"\xff" * 20 + packed[119:]
    for damaged in cut if suffix == ".zst" else (*cut, changed):  # zst need have no checksums
        path = written(damaged, f"t.csv{suffix}")
        assert "make a new copy" in refusal(path)
        with pytest.raises(DataError, match=f"^{path}: .*make a new copy"):
            in_parts(path)
        with pytest.raises(DataError, match="^standard input: .*make a new copy"):
            in_parts(io.BytesIO(damaged))
    assert "isn't compressed by" in refusal(written(TEXT, f"t.csv{suffix}"))
    assert "there are no rows" in refusal(written(b"", f"t.csv{suffix}"))
    assert "can't be read from a compressed file" in refusal(written(packed, f"t.npz{suffix}"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "a,b\n1,é\n".encode("utf-16-le"),
            "the file seems to be UTF-16 without a byte-order mark; set",
        ),
        (
            "a,b\n1,é\n".encode("utf-16-be"),
            "the file seems to be UTF-16 without a byte-order mark; set",
        ),
        (
            "größeé,b".encode() + b"\xff\n1,2\n",
            "line 1 isn't UTF-8 text; correct it",
        ),
        ("a,b\n1,éé\n2,".encode() + b"\xff\n", 'row 2, column "b": the value isn\'t UTF-8'),
        (
            b"PK\x03\x04\x14\x00\x06\x00",
            "the file seems to be a ZIP archive, as Excel's workbooks are",
        ),
        (b"PAR1\x15\x04", 'the file seems to be Parquet; set data.format to "parquet"'),
        (b"a\0b\0\0\0c,\0", "the file seems to be binary, as it holds zero bytes"),
        (b'a,b\n1,x\n2,"y\n3,z\n', "row 2: a quote isn't closed"),
        (b'"a,b\n1,x\n', "the first row has a quote that isn't closed"),
    ],
)
def test_what_is_no_text_is_named(written, content: bytes, said: str):
    assert refusal(written(content)).startswith(said)


def warned(read, path: Path, **options) -> tuple[dict, str]:
    """What a reader makes of a file, and its only warning, without the path."""
    with pytest.warns(UserWarning) as found:
        values = read(path, **options)
    (line,) = {str(one.message) for one in found}
    assert line.startswith(f"{path} isn't UTF-8, and is read as ")
    return values, line.removeprefix(f"{path} isn't UTF-8, and is read as ").split(";")[0]


def whole(path: Path, **options) -> dict[str, list]:
    return plain(read_table(path, **options))


@pytest.mark.parametrize("before", [0, 3, 40_000])
def test_text_in_other_encodings(written, before: int, monkeypatch):
    """UTF-16 is known by its mark, the rest of what isn't UTF-8 is guessed, with a warning."""
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 1 << 10)
    begin = "größe;b\n" if before == 3 else "a;b\n"
    text = begin + "1,5;x\n" * before + "2;é “Š\n3;\n"
    wanted = {begin[:-3]: [1.5] * before + [2, 3], "b": ["x"] * before + ["é “Š", None]}
    if begin == "a;b\n":
        wanted = {"a": wanted.pop("a"), **wanted}
    columns = {"expected": list(wanted)}
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        path = written(text.encode(encoding))
        assert whole(path) == in_parts(path) == wanted
        file = open_table(path)
        file.read()
        assert file.layout.encoding == encoding.removesuffix("-sig")
        # An earlier file was cp1252; this one isn't.
        assert plain(open_table(path, encoding="cp1252", **columns).read()) == wanted
    path = written(text.encode("cp1252"))
    assert warned(whole, path) == warned(in_parts, path) == (wanted, "cp1252")
    assert whole(path, encoding="cp1252") == in_parts(path, encoding="windows-1252") == wanted
    file = open_table(path, encoding="cp1252", **columns)
    assert plain(file.read()) == wanted and file.layout.unusual()["encoding"] == "cp1252"
    with pytest.warns(UserWarning, match="^standard input isn't UTF-8, and is read as cp1252"):
        assert in_parts(io.BytesIO(path.read_bytes())) == wanted
    assert set(whole(path, encoding="latin-1")["b"]) - {None, "x"} == {"é \x93\x8a"}
    latin = written(text.replace("“Š", "\x81").encode("latin-1"))
    assert warned(whole, latin)[1] == "latin-1"
    with pytest.raises(DataError, match="0x81 isn't cp1252 text; set data.encoding or --enc"):
        read_table(latin, encoding="cp1252")
    unmarked = written(text.encode("utf-16-le"))
    assert whole(unmarked, encoding="utf-16-le") == wanted
    assert plain(open_table(unmarked, encoding="utf-16-le", **columns).read()) == wanted


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_an_encoding_is_found_however_text_is_cut(size: int):
    for text, encoding in (("naïve ça", "utf-8"), ("naïve ça", "cp1252"), ("ß€", "utf-16")):
        file = Decoded(io.BytesIO(text.encode(encoding)))
        found = b"".join(iter(lambda file=file: file.read(size), b""))
        assert (found.decode(), file.encoding) == (text, encoding)
        file.put_back(found)
        assert file.read() == found
        assert Decoded(io.BytesIO(text.encode(encoding))).read() == found


@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_text_in_utf8(written, begin: str):
    assert plain(read_table(written(f"{begin}größe,b\n1,é\n"))) == {"größe": [1], "b": ["é"]}
    assert plain(read_table(written(f"{begin}1,2\n3,4\n"))) == {"c0": [1, 3], "c1": [2, 4]}


def test_rows_without_values_are_rows(written, monkeypatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 4)
    path = written("a\tb\n1\tx\n\t\n\n \t \n2\ty\n\n")
    assert plain(read_table(path)) == {"a": [1, None, None, 2], "b": ["x", None, None, "y"]}


def test_a_stream_can_be_read_whole_where_later_rows_refute_a_guess(monkeypatch):
    monkeypatch.setattr("fastclf.data.text._MIN_PIECE", 16)
    text = b"a,b\n" + b"1,2\n" * 20 + b"x,007\n"
    found = plain(read_table(io.BytesIO(text)))
    assert found == {"a": ["1"] * 20 + ["x"], "b": ["2"] * 20 + ["007"]}
