"""Encoders that are fitted in one pass, against those that are fitted to all rows."""

import numpy as np
import pytest

from fastclf.data.column_tallies import EncoderTally, NumberTally
from fastclf.data.columns import fit_encoder
from fastclf.errors import DataError
from fastclf.preprocessing import NumericColumn
from fastclf.table import Categories, Numbers, Table

N = 300


def table(holes: bool) -> Table:
    rng = np.random.default_rng(1)
    names = ("Bonn", "Oslo", "Rome", "Ulm")
    codes = np.minimum(rng.geometric(0.5, N) - 1, 3).astype(np.int32)
    numbers = rng.normal(size=(4, N)) * np.array([1, 50, 1e-3, 0])[:, None] + 3
    empty = np.full(N, np.nan if holes else 0.0)
    if holes:
        codes[rng.random(N) < 0.2] = -1
        numbers[rng.random(numbers.shape) < 0.1] = np.nan
    columns = {f"x{j}": Numbers(numbers[j]) for j in range(4)}
    columns |= {"city": Categories(codes, names), "empty": Numbers(empty)}
    return Table(columns)


def tallied(rows: Table, length: int, **settings) -> EncoderTally:
    tally = EncoderTally(rows.names, {"city"}, **settings)
    for start in range(0, N, length):
        tally.add(rows.take(np.arange(start, min(start + length, N))))
    return tally


@pytest.mark.parametrize("length", [1, 7, N])
@pytest.mark.parametrize("scale", ["auto", "standard", "minmax", "none"])
@pytest.mark.parametrize("impute", ["mean", "median", "most_frequent", "zero", "none"])
@pytest.mark.parametrize("min_frequency", [1, 40, 0.2])
def test_the_encoder_is_that_of_all_rows(length: int, scale: str, impute: str, min_frequency):
    rows = table(holes=impute != "none")
    settings = {"scale": scale, "impute": impute, "min_frequency": min_frequency}
    found = tallied(rows, length, **settings).encoder()
    wanted = fit_encoder(rows, **settings)
    assert found.feature_names == wanted.feature_names
    for own, other in zip(found.columns, wanted.columns, strict=True):
        if isinstance(other, NumericColumn):
            assert isinstance(own, NumericColumn) and (own.fill is None) == (other.fill is None)
            assert [own.fill or 0, own.shift, own.scale] == pytest.approx(
                [other.fill or 0, other.shift, other.scale], rel=1e-6, abs=1e-12
            )
        else:
            assert own == other


def test_numbers_as_categories_are_in_order_of_size():
    tally = EncoderTally(("floor",), {"floor"})
    for values in ([10.0, 2.0], [np.nan, 1.0]):
        tally.add(Table({"floor": Numbers(np.array(values))}))
    assert tally.encoder().feature_names == ("floor=1", "floor=2", "floor=10", "floor=(missing)")


@pytest.mark.parametrize(
    ("value", "impute", "said"),
    [
        (np.nan, "none", 'row 12, column "x1": a missing value; .* set data.impute to mean or'),
        (np.inf, "mean", 'row 12, column "x1": an infinite number'),
    ],
)
def test_values_that_cannot_be_used(value: float, impute: str, said: str):
    rows = table(holes=False)
    rows.columns["x1"].values[11] = value
    with pytest.raises(DataError, match=said):
        tallied(rows, 5, impute=impute)


@pytest.mark.parametrize("scale", ["standard", "auto", "minmax"])
def test_numbers_too_large_to_be_scaled_are_refused(scale: str):
    tally = NumberTally(["a", "b"], scale, "mean")
    tally.add(np.array([[1.0, 1.5e308], [2.0, -1.5e308], [3.0, 1.0]]))
    with pytest.raises(DataError, match='column "b": it has too large a number to be scaled'):
        tally.columns()


def parts_of(rows: Table, edges: list[int], **settings) -> list[EncoderTally]:
    tallies = []
    for start, stop in zip([0, *edges], [*edges, N], strict=True):
        tallies.append(EncoderTally(rows.names, {"city"}, **settings))
        if start < stop:
            tallies[-1].add(rows.take(np.arange(start, stop)))
    return tallies


def assert_same_encoders(found, wanted) -> None:
    assert found.feature_names == wanted.feature_names
    for own, other in zip(found.columns, wanted.columns, strict=True):
        if isinstance(other, NumericColumn):
            assert [own.fill or 0, own.shift, own.scale] == pytest.approx(
                [other.fill or 0, other.shift, other.scale], rel=1e-10, abs=1e-14
            )
        else:
            assert own == other


@pytest.mark.parametrize("edges", [[0], [1, 2], [100, 100, 299], [150, 300]], ids=str)
@pytest.mark.parametrize("scale", ["auto", "standard", "minmax", "none"])
@pytest.mark.parametrize("impute", ["mean", "median", "most_frequent", "zero"])
def test_merged_parts_give_the_encoder_of_all_rows(edges: list[int], scale: str, impute: str):
    rows = table(holes=True)
    settings = {"scale": scale, "impute": impute, "min_frequency": 40}
    first, *others = parts_of(rows, edges, **settings)
    for other in others:
        first.merge(other)
    assert_same_encoders(first.encoder(), tallied(rows, N, **settings).encoder())


def test_merging_leaves_the_other_tally_as_it_is():
    rows = table(holes=True)
    first, second = parts_of(rows, [100], scale="standard")
    before = second.encoder()
    first.merge(second)
    first.add(rows)
    assert second.encoder() == before


def test_merged_numbers_as_categories_are_in_order_of_size():
    tallies = [EncoderTally(("floor",), {"floor"}) for _ in range(2)]
    for tally, values in zip(tallies, ([10.0, 2.0], [np.nan, 1.0]), strict=True):
        tally.add(Table({"floor": Numbers(np.array(values))}))
    tallies[0].merge(tallies[1])
    assert tallies[0].encoder().feature_names[:3] == ("floor=1", "floor=2", "floor=10")


def test_hours_of_a_part_alone_count():
    settings = {"dates": ("day",), "scale": "none"}
    days = ("2024-02-29", "2024-03-01T12:30:00")
    tallies = [EncoderTally(("day",), **settings) for _ in range(2)]
    for tally, day in zip(tallies, days, strict=True):
        tally.add(Table({"day": Categories(np.zeros(1, np.int32), (day,))}))
    without = tallies[0].encoder().feature_names
    tallies[0].merge(tallies[1])
    assert {*tallies[0].encoder().feature_names} - {*without} == {"day.hour"}


def test_text_among_numbers_is_named_by_its_file():
    names = tuple(str(i) for i in range(200))
    tallies = [EncoderTally(("a",), {"a"}) for _ in range(3)]
    for i, tally in enumerate(tallies):
        text = (*names, "oops") if i else names
        codes = np.arange(len(text), dtype=np.int32)
        tally.add(Table({"a": Categories(codes, text)}), f"{i}.csv")
    for other in tallies[1:]:
        tallies[0].merge(other)
    with pytest.raises(DataError, match='^1.csv: row 201, column "a": "oops" is not a number'):
        tallies[0].categories[0].check()


def test_too_many_categories_of_all_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fastclf.data.column_tallies.MOST_NAMES", 3)
    tallies = [EncoderTally(("a",), {"a"}) for _ in range(2)]
    for tally, letters in zip(tallies, ("abc", "cd"), strict=True):
        codes = np.arange(len(letters), dtype=np.int32)
        tally.add(Table({"a": Categories(codes, tuple(letters))}))
    with pytest.raises(DataError, match='"a" has more than 3 different values'):
        tallies[0].merge(tallies[1])
