"""Files with types of their own are taken as they are meant: integers, nulls, dates, booleans."""

import datetime
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from columnar import options, values, write

from fastclf.cli import main
from fastclf.data import Stream, fit_encoder, load_file, read_table, stream_table
from fastclf.data.column_tallies import EncoderTally
from fastclf.data.columns import date_columns
from fastclf.dates import PARTS
from fastclf.errors import DataError
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import CategoricalColumn, DateColumn, Encoder, NumericColumn
from fastclf.table import Categories, Numbers, Table, exact_numbers, matched_names

LARGE = 2**53
N = 40


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def trained(folder: Path, data: Path, **keys) -> tuple[Path, str]:
    """Train on a file; return the run and what was warned of."""
    said = [f"--set=data.{key}={json.dumps(value)}" for key, value in keys.items()]
    recipe = folder / "recipe.toml"
    recipe.write_text(f'[data]\npath = "{data}"\n')
    result = run("train", "--config", recipe, "--out", folder / "run", "-q", *said)
    assert result.exit_code == 0, result.stderr
    return folder / "run", result.stderr


# Integers that a float can't hold


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.uint64(), pa.decimal128(38, 0), pa.decimal256(50, 0)]
)
def test_text_of_integers_has_all_digits(tmp_path: Path, suffix: str, kind: pa.DataType):
    numbers = [LARGE + 1, LARGE, None, 7, LARGE + 2, LARGE + 1]
    path = write(tmp_path / f"t{suffix}", id=pa.array(numbers, kind))
    wanted = [None if number is None else str(number) for number in numbers]
    found = read_table(path, categorical=["id"]).columns["id"]
    assert values(found) == wanted
    assert found.names == ("7", *(str(LARGE + i) for i in range(3)))  # in order of size
    encoder = Encoder((CategoricalColumn("id", ()),))
    parts = list(stream_table(path, encoder=encoder, batch_rows=4))
    assert [value for part in parts for value in values(part.columns["id"])] == wanted


def test_integers_stay_exact_until_they_are_features(tmp_path: Path):
    columns = {
        "large": pa.array([LARGE + 1, -LARGE - 1], pa.int64()),
        "larger": pa.array([2**64 - 1, 1], pa.uint64()),
        "small": pa.array([LARGE, 1], pa.uint64()),
    }
    found = read_table(write(tmp_path / "t.parquet", **columns))
    kinds = [column.values.dtype for column in found.columns.values()]
    assert kinds == [np.int64, np.uint64, np.float64]
    assert found.columns["large"].values.tolist() == [LARGE + 1, -LARGE - 1]
    assert found.columns["larger"].values.tolist() == [2**64 - 1, 1]
    X = fit_encoder(found, scale="none").apply(found)
    assert X.dtype == np.float64 and X[0].tolist() == [LARGE, 2.0**64, LARGE]
    tally = EncoderTally(found.names)
    tally.add(found)
    assert tally.encoder().columns == fit_encoder(found).columns


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".npz", ".npy", ".svm"])
@pytest.mark.parametrize("base", [LARGE, 2**63])
def test_labels_of_any_size(tmp_path: Path, suffix: str, base: int):
    labels = [base + i % 3 for i in range(N)]
    path = tmp_path / f"t{suffix}"
    keys: dict = {}
    if suffix == ".npz":
        np.savez(path, X=np.ones((N, 1)), y=np.array(labels))
    elif suffix == ".npy":
        np.save(path, np.ones((N, 1)))
        np.save(tmp_path / "y.npy", np.array(labels))
        keys["target_path"] = str(tmp_path / "y.npy")
    elif suffix == ".svm":
        path.write_text("".join(f"{label} 1:{i}\n" for i, label in enumerate(labels)))
    else:
        write(path, x=np.arange(N) * 1.0, y=pa.array(labels, pa.uint64()))
    found = load_file(path, options(**keys))
    assert found.y.tolist() == labels and found.y.dtype.kind in "iu"
    assert found.class_names == tuple(str(base + i) for i in range(3))


def test_labels_of_more_than_64_bits_are_text(tmp_path: Path):
    labels = [10**30 + i % 2 for i in range(4)]
    path = write(tmp_path / "t.csv", x=[1.0, 2, 3, 4], y=list(map(str, labels)))
    assert load_file(path, options()).y.tolist() == list(map(str, labels))
    path = write(tmp_path / "t.parquet", x=[1.0, 2, 3, 4], y=pa.array(map(Decimal, labels)))
    assert load_file(path, options()).y.tolist() == list(map(str, labels))


def test_several_labels_in_svmlight_are_exact(tmp_path: Path):
    path = tmp_path / "t.svm"
    path.write_text(f"{LARGE},{LARGE + 1} 1:1\n{LARGE + 1} 1:2\n 1:3\n")
    found = load_file(path, options(target_kind="label_lists"))
    assert found.class_names == (str(LARGE), str(LARGE + 1))
    assert found.y.tolist() == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npz"])
def test_groups_are_not_merged(tmp_path: Path, suffix: str):
    groups = pa.array(range(LARGE, LARGE + N))
    path = tmp_path / f"t{suffix}"
    if suffix == ".npz":
        np.savez(path, X=np.ones((N, 1)), y=np.arange(N) % 2, g=groups.to_numpy())
    else:
        write(path, x=np.arange(N) * 1.0, y=np.arange(N) % 2, g=groups)
    assert len(np.unique(load_file(path, options(split_by="g")).groups)) == N


def test_kept_columns_have_all_digits(tmp_path: Path):
    ids = [LARGE + 1 + i for i in range(N)]
    data = write(tmp_path / "t.parquet", x=np.arange(N) * 1.0, id=pa.array(ids), y=np.arange(N) % 2)
    path, _ = trained(tmp_path, data, drop=["id"])
    out = tmp_path / "out.csv"
    assert run("predict", path, data, "--keep", "id", "-o", out).exit_code == 0
    assert [line.split(",")[0] for line in out.read_text().split()[1:]] == list(map(str, ids))


def test_streams_have_all_digits(tmp_path: Path):
    labels = np.array([LARGE + i % 3 for i in range(N)])
    for suffix in (".parquet", ".arrow"):
        path = write(tmp_path / f"t{suffix}", x=np.arange(N) * 1.0, y=labels)
        found = np.concatenate([rows.y for rows in Stream(path, "y").rows_in_order()])
        assert found.tolist() == labels.tolist()
    path = write(tmp_path / "t.csv", x=np.arange(N) * 1.0, y=labels)
    with pytest.raises(DataError, match=r"t\.csv: labels from 2\^53 on are rounded"):
        list(Stream(path, "y").rows_in_order())


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_run_with_large_integers_everywhere(tmp_path: Path, suffix: str):
    large = (np.arange(N) % 4).astype(np.uint64) + np.uint64(2**63)
    data = write(tmp_path / f"t{suffix}", c=pa.array(large), y=pa.array(large), x=np.ones(N))
    path, _ = trained(tmp_path, data, categorical=["c"])
    model = LinearModel.load(path / "model.safetensors")
    assert model.classes.tolist() == [2**63 + i for i in range(4)]
    assert model.encoder.columns[0].categories == tuple(str(2**63 + i) for i in range(4))
    for command in (["evaluate", path, "--data", data, "--json"], ["evaluate", path, "--json"]):
        result = run(*command)
        assert result.exit_code == 0, result.stderr
        figures = json.loads(result.stdout)
        assert all(part["metrics"]["accuracy"] == 1 for part in figures.values())
    for out in (tmp_path / "out.csv", tmp_path / "out.parquet", tmp_path / "out.npz"):
        result = run("predict", path, data, "--keep", "c", "-o", out)
        assert result.exit_code == 0, result.stderr
    rows = [line.split(",")[:2] for line in (tmp_path / "out.csv").read_text().split()[1:]]
    assert rows == [[str(number)] * 2 for number in large.tolist()]
    if suffix == ".parquet":
        (tmp_path / "s").mkdir()
        again, _ = trained(
            tmp_path / "s", data, categorical=["c"], stream=True, test_path=str(data), target="y"
        )
        other = LinearModel.load(again / "model.safetensors")
        assert other.classes.tolist() == model.classes.tolist()
        assert other.encoder == model.encoder


# Missing values


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_text_is_missing_only_where_the_format_says_so(tmp_path: Path, suffix: str):
    texts = ["NA", None, "?", "null", "", " ", "nan"]
    path = write(tmp_path / f"t{suffix}", c=texts, x=np.arange(7) * 1.0, y=["NA", "b"] * 3 + ["b"])
    wanted = ["NA", None, "?", "null", None, None, "nan"]
    assert values(read_table(path).columns["c"]) == wanted
    (part,) = stream_table(path)
    assert values(part.columns["c"]) == wanted
    assert load_file(path, options()).class_names == ("NA", "b")
    found = np.concatenate([rows.y for rows in Stream(path, "y", drop=["c"]).rows_in_order()])
    assert found.tolist() == ["NA", "b"] * 3 + ["b"]


def test_text_files_have_spellings_of_missing_values(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("c,x\na,1\nNA,2\n?,3\n")
    assert values(read_table(path).columns["c"]) == ["a", None, None]


def test_a_missing_item_of_a_list_is_no_label(tmp_path: Path):
    path = write(tmp_path / "t.parquet", tags=[["a", None], None, [None], ["b", "a"]])
    column = read_table(path).columns["tags"]
    assert column.names == ("a", "b") and column.offsets.tolist() == [0, 1, 1, 1, 3]


# Dates, times and durations


def test_durations_and_times_of_day_are_seconds(tmp_path: Path):
    seconds = {
        "took": pa.array([90_000, None], pa.duration("ms")),
        "at": pa.array([datetime.time(1, 0, 0, 500_000), None], pa.time64("us")),
        "at32": pa.array([datetime.time(0, 1), None], pa.time32("s")),
    }
    path = write(tmp_path / "t.parquet", **seconds, y=["a", "b"])
    found = read_table(path, list(seconds)).columns
    assert [column.values[0] for column in found.values()] == [90, 3600.5, 60]
    assert all(np.isnan(column.values[1]) for column in found.values())
    rows = next(Stream(path, "y").rows_in_order()).X
    assert rows[0].tolist() == [90, 3600.5, 60] and np.isnan(rows[1]).all()


MOMENTS = [datetime.datetime(2024, 1, 31 - day % 30, day % 24, 30) for day in range(N)]
WANTED = [
    [
        moment.year,
        moment.month,
        moment.weekday(),
        moment.hour + 0.5,
        (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1),
    ]
    for moment in MOMENTS
]


def dated(path: Path, text: bool = False) -> Path:
    moments = [moment.isoformat() for moment in MOMENTS] if text else pa.array(MOMENTS)
    days = [moment.date().isoformat() if text else moment.date() for moment in MOMENTS]
    return write(path, at=moments, day=days, y=[int(moment.hour > 11) for moment in MOMENTS])


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv", "text.parquet"])
def test_dates_become_their_parts(tmp_path: Path, name: str):
    table = read_table(dated(tmp_path / name, name.startswith("text")), ["at", "day"])
    assert date_columns(table) == ["at", "day"]
    encoder = fit_encoder(table, scale="none", dates=["at", "day"])
    assert encoder.feature_names == (
        *(f"at.{part}" for part in PARTS),
        *(f"day.{part}" for part in PARTS if part != "hour"),
    )
    X = encoder.apply(table)
    np.testing.assert_allclose(X[:, :5], WANTED, rtol=1e-12)
    np.testing.assert_allclose(X[:, 8], np.floor(X[:, 4]), rtol=1e-12)
    tally = EncoderTally(table.names, dates=table.names, scale="none")
    for start in range(0, N, 7):
        tally.add(table.take(np.arange(start, min(start + 7, N))))
    streamed = tally.encoder()
    assert streamed.feature_names == encoder.feature_names
    np.testing.assert_array_equal(streamed.apply(table), X)


def test_an_encoder_of_dates_is_kept_as_data():
    column = DateColumn("at", (NumericColumn("year", 2020.0, 2000.0, 10.0), NumericColumn("hour")))
    encoder = Encoder((NumericColumn("x"), column, CategoricalColumn("c", ("a",))), sparse=True)
    arrays, text = encoder.to_data()
    assert Encoder.from_data(arrays, json.loads(json.dumps(text))) == encoder
    table = Table(
        {
            "x": Numbers(np.zeros(2)),
            "at": Categories(np.array([0, -1], np.int32), ("2030-01-01 12:30",)),
            "c": Categories(np.zeros(2, np.int32), ("a",)),
        }
    )
    with pytest.raises(DataError, match='row 2, column "at": a missing value'):
        encoder.apply(table)
    assert encoder.apply(table.take([0])).toarray().tolist() == [[0, 3, 12.5, 1]]
    for parts in (["year", "year"], ["year", "minute"], [], "year", [1, 2], ["year"]):
        hostile = json.loads(json.dumps(text))
        hostile["columns"][1]["parts"] = parts
        with pytest.raises((ValueError, KeyError, TypeError)):
            Encoder.from_data(arrays, hostile)


def test_what_is_no_date_is_named():
    column = DateColumn("at", (NumericColumn("year", 2020.0),))
    texts = Categories(np.array([0, 1], np.int32), ("2024-02-29", "2023-02-29"))
    with pytest.raises(DataError, match='row 2, column "at": "2023-02-29" is not a date'):
        Encoder((column,)).apply(Table({"at": texts}))
    both = Table({"at": texts.take([0]), "at.year": Numbers(np.ones(1))})
    with pytest.raises(DataError, match='"at.year" is named like a part of the dates in "at"'):
        fit_encoder(both, dates=["at"])
    with pytest.raises(DataError, match='"at.year" is named like a part of the dates in "at"'):
        EncoderTally(both.names, {"at"}, dates={"at"})


def test_a_run_with_dates_predicts_from_every_format(tmp_path: Path):
    data = dated(tmp_path / "t.parquet")
    path, warned = trained(tmp_path, data, dates="parts")
    assert warned == ""
    predicted = []
    for other in (data, dated(tmp_path / "t.csv"), dated(tmp_path / "text.arrow", True)):
        out = tmp_path / "out.csv"
        assert run("predict", path, other, "-o", out).exit_code == 0
        predicted.append(out.read_text())
    assert predicted[0] == predicted[1] == predicted[2]
    assert LinearModel.load(path / "model.safetensors").encoder.column_names == ("at", "day")
    (tmp_path / "s").mkdir()
    streamed, _ = trained(tmp_path / "s", data, dates="parts", stream=True, test_path=str(data))
    encoders = [LinearModel.load(one / "model.safetensors").encoder for one in (path, streamed)]
    assert encoders[0].feature_names == encoders[1].feature_names


def test_dates_that_are_categories_match_however_they_are_written(tmp_path: Path):
    data = dated(tmp_path / "t.parquet")
    path, _ = trained(tmp_path, data)
    predicted = [run("predict", path, data)]
    for other in (dated(tmp_path / "t.csv"), dated(tmp_path / "text.arrow", True)):
        predicted.append(run("predict", path, other))
    assert len({result.stdout for result in predicted}) == 1
    column = CategoricalColumn("d", ("2024-02-29 00:00:00.000000", "(missing)"), other=True)
    assert column.positions(["2024-02-29", "2024-02-28", "(missing)"]).tolist() == [0, 2, 1]


def test_encoder_warnings_as_categories_are_warned_of(tmp_path: Path):
    data = dated(tmp_path / "t.csv")
    _, warned = trained(tmp_path, data)
    assert 'warning: column "at": ' in warned and 'set data.dates to "parts"' in warned
    result = run("check", "--config", tmp_path / "recipe.toml")
    assert 'column "day": ' in result.stderr
    result = run("init", data, "--target", "y", "-o", "-")
    assert 'dates = "parts"' in result.stdout and "40 dates" in result.stdout


# Booleans


@pytest.mark.parametrize("spelt", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_booleans_match_in_all_spellings(spelt: tuple[str, str]):
    column = CategoricalColumn("b", (spelt[1], spelt[0], "(missing)"))
    names = ["true", "False", "TRUE", "1", "0.0", "yes", "(missing)"]
    assert column.positions(names).tolist() == [1, 0, 1, 1, 0, -1, 2]
    numbers = Table({"b": Numbers(np.array([1.0, 0.0, np.nan]))})
    assert Encoder((column,)).apply(numbers).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_names_match_exactly_but_for_booleans():
    assert matched_names(["1", "x"], ["True", "False"]) == {"1": "True"}
    assert matched_names(["1", "x"], ["1", "0"]) == {"1": "1"}
    assert matched_names(["YES"], ["yes", "no"]) is None
    assert matched_names(["1"], ["true", "True", "false"]) is None  # which one?
    assert matched_names([], ["yes"]) == {}
    assert exact_numbers(np.array([True])).values.dtype == np.float64


def with_flags(path: Path, flags: list) -> Path:
    return write(path, b=flags, x=np.arange(N) % 7 * 1.0, y=["p", "q"] * (N // 2))


def test_a_run_of_booleans_takes_all_their_spellings(tmp_path: Path):
    flags = [i % 4 in (0, 3) for i in range(N)]
    path, _ = trained(tmp_path, with_flags(tmp_path / "t.parquet", flags))
    told = set()
    for words in (("false", "true"), ("False", "True"), ("FALSE", "TRUE"), ("0", "1")):
        for suffix in (".csv", ".arrow"):
            data = with_flags(tmp_path / f"other{suffix}", [words[flag] for flag in flags])
            for command in (["evaluate", path, "--data", data, "--json"], ["predict", path, data]):
                result = run(*command)
                assert result.exit_code == 0 and "warning" not in result.stderr
                told.add(result.stdout)
    assert len(told) == 2  # the figures, and the predictions


def test_columns_of_which_no_category_is_known_are_warned_of(tmp_path: Path):
    flags = [i % 4 in (0, 3) for i in range(N)]
    path, warned = trained(tmp_path, with_flags(tmp_path / "t.parquet", flags))
    assert warned == ""
    data = with_flags(tmp_path / "other.csv", ["yes" if flag else "no" for flag in flags])
    for command in (["evaluate", path, "--data", data], ["predict", path, data]):
        result = run(*command)
        assert result.exit_code == 0
        assert result.stderr.startswith(
            'warning: column "b": none of its values occurred in training'
        )
        assert '"no", "yes"; the training rows had false, true; ' in result.stderr
    known = with_flags(tmp_path / "other.csv", ["yes"] * (N - 1) + ["true"])
    assert "warning" not in run("predict", path, known).stderr
