"""Streams of batches: arrays, tensors, Arrow data and frames, against fits in memory."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.data import Stream, stream_batches
from fastclf.errors import DataError, InputError
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.solvers import Adam

N, D = 1000, 4


def data(dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(N, D)).astype(dtype) + 1
    return X, (X @ rng.normal(size=(D, 3)) + rng.gumbel(size=(N, 3))).argmax(axis=1)


def cuts(size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, N, size))


def joined(stream: Stream) -> list[np.ndarray]:
    columns = zip(*stream.rows_in_order(), strict=True)
    return [np.concatenate(parts) for parts in columns if parts[0] is not None]


class Capsule:
    """What speaks Arrow's PyCapsule interface and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


KINDS: dict[str, Callable[[pa.Table], Any]] = {
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "table": lambda table: table,
    "capsule": Capsule,
    "pandas": lambda table: table.to_pandas().set_index(np.arange(7, 7 + len(table))),
}


@pytest.mark.parametrize("size", [1, 64, 300, 5000])
def test_chunks_do_not_depend_on_the_batches(monkeypatch, size: int):
    monkeypatch.setattr(stream_batches, "CHUNK_BYTES", 128 * 8 * D)
    X, y = data()
    weights = np.arange(N) / N
    stream = Stream.from_batches(lambda: ((X[i], y[i], weights[i]) for i in cuts(size)))
    for _ in range(2):
        pieces = list(stream.rows_in_order())
        assert max(len(rows.X) for rows in pieces) <= 128 and len(pieces) < 20
        found = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        assert all((one == other).all() for one, other in zip(found, (X, y, weights), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [3, 128, 2000])
def test_tables_of_columns(kind: str, size: int):
    X, y = data()
    table = pa.table({**{f"x{j}": X[:, j] for j in range(D)}, "y": y, "w": np.arange(N) / N})
    stream = Stream.from_batches(
        lambda: (KINDS[kind](table[i.start : i.stop]) for i in cuts(size)),
        "y",
        weight="w",
        columns=["x3", "x0"],
        chunk_rows=100,
    )
    found = joined(stream)
    assert (found[0] == X[:, [3, 0]]).all() and (found[1] == y).all()
    assert (found[2] == np.arange(N) / N).all() and stream.feature_names == ("x3", "x0")
    assert max(len(rows.X) for rows in stream.rows_in_order()) <= 100
    clf = LogisticRegression(tol=1e-8).fit(stream)
    wanted = LogisticRegression(tol=1e-8).fit(X[:, [3, 0]], y, np.arange(N) / N)
    np.testing.assert_allclose(clf.coef_, wanted.coef_, atol=1e-6)


def test_an_encoder_of_frames():
    X, y = data()
    city = np.array(["Bonn", "Oslo", "Rome"])[np.random.default_rng(0).integers(0, 3, N)]
    frame = pd.DataFrame({"x": X[:, 0], "city": city, "y": y.astype(str)})
    frame.loc[::9, "x"] = np.nan
    columns = NumericColumn("x", fill=1.0), CategoricalColumn("city", ("Bonn", "Rome"), other=True)
    encoder = Encoder(columns)
    stream = Stream.from_batches(lambda: (frame[i] for i in cuts(70)), "y", encoder=encoder)
    found = joined(stream)
    x = np.where(np.arange(N) % 9 == 0, 1.0, X[:, 0])
    wanted = np.stack([x, *(city == name for name in ("Bonn", "Rome", "Oslo"))], axis=1)
    assert (found[0] == wanted).all() and (found[1] == y.astype(str)).all()
    sparse = Stream.from_batches(
        lambda: (frame[i] for i in cuts(70)), "y", encoder=Encoder(columns, sparse=True)
    )
    clf, other = (LogisticRegression(tol=1e-8).fit(source) for source in (stream, sparse))
    np.testing.assert_allclose(clf.coef_, other.coef_, atol=1e-6)


def test_categories_in_one_batch_and_text_in_another():
    frame = pd.DataFrame({"city": ["Bonn", "Oslo", "Rome"] * 20, "y": ["no", "yes"] * 30})
    encoder = Encoder((CategoricalColumn("city", ("Bonn", "Oslo", "Rome")),))
    batches = [frame[:20], frame[20:40].astype("category"), frame[40:].astype({"y": "category"})]
    found = joined(Stream.from_batches(lambda: batches, "y", encoder=encoder))
    assert (found[0] == np.tile(np.eye(3), (20, 1))).all() and (found[1] == frame["y"]).all()
    dates = frame.assign(city=pd.Timestamp("2024-01-01"))
    with pytest.raises(DataError, match='after row 20: column "city" holds timestamp.*string'):
        rejected(frame[:20], dates, target="y", encoder=encoder)


def test_csr_and_distributions_and_labels():
    X, y = data()
    X[X < 1] = 0
    S, P = scipy.sparse.csr_matrix(X), np.eye(3)[y] * 0.7 + 0.1
    stream = Stream.from_batches(lambda: ((S[i], P[i]) for i in cuts(37)), chunk_rows=200)
    assert max(rows.X.shape[0] for rows in stream.rows_in_order()) <= 200
    found, wanted = (LogisticRegression(tol=1e-8).fit(*given) for given in ((stream,), (S, P)))
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-6)
    Y = scipy.sparse.csr_matrix(np.eye(3)[y])
    stream = Stream.from_batches(lambda: ((S[i], Y[i]) for i in cuts(37)))
    labels = MultiLabelLogisticRegression(tol=1e-8)
    np.testing.assert_allclose(
        labels.fit(stream).coef_, labels.fit(S, Y.toarray()).coef_, atol=1e-6
    )


def test_csr_with_duplicates_becomes_canonical():
    X, y = data()
    doubled = scipy.sparse.csr_array(
        (np.repeat(X.ravel() / 2, 2), np.tile(np.repeat(np.arange(D), 2), N), np.arange(N + 1) * 8)
    )
    stream = Stream.from_batches(lambda: [(doubled, y)])
    clf = LogisticRegression(tol=1e-8)
    np.testing.assert_allclose(clf.fit(stream).coef_, clf.fit(X, y).coef_, atol=1e-6)


def test_memory_of_a_batch_may_be_used_again():
    X, y = data()
    room, targets = np.empty((50, D)), np.empty(50, int)

    def batches() -> Iterator[tuple]:
        for i in cuts(50):
            room[:], targets[:] = X[i], y[i]
            yield room, targets

    found = joined(Stream.from_batches(batches))
    assert (found[0] == X).all() and (found[1] == y).all()


def test_minibatches_repeat_and_lists_are_batches():
    X, y = data()
    stream = Stream.from_batches(lambda: [[X[i], y[i].reshape(-1, 1)] for i in cuts(10)])
    make = lambda: LogisticRegression(  # noqa: E731
        solver=Adam(batch_size=32, schedule="cosine"), max_iter=20, tol=0, random_state=0
    )
    one, two = make().fit(stream), make().fit(stream)
    best = LogisticRegression().fit(X, y)
    assert one.history_["objective"][-1] < best.history_["objective"][-1] + 0.02
    assert (one.coef_ == two.coef_).all()


def test_precision_is_that_of_the_first_batch():
    X, y = data(np.float32)
    assert Stream.from_batches(lambda: [(X, y)]).dtype == np.float32
    assert Stream.from_batches(lambda: [(X, y)], dtype="float64").dtype == np.float64
    stream = Stream.from_batches(lambda: [(X[:5], y[:5]), (X[5:].astype(float), y[5:])])
    assert {rows.X.dtype for rows in stream.rows_in_order()} == {np.dtype(np.float32)}


class Loader:
    """A function that can be pickled."""

    def __call__(self) -> Iterator[tuple]:
        X, y = data()
        return ((X[i], y[i]) for i in cuts(100))


def test_it_can_be_pickled_and_read_as_a_part():
    stream = Stream.from_batches(Loader())
    there = pickle.loads(pickle.dumps(stream))
    assert there.n_parts == 1 and (there.part(0).X == data()[0]).all()
    assert there.part_name(0) == "the batches"


def test_torch():
    torch = pytest.importorskip("torch")
    X, y = data(np.float32)
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=17)
    found = joined(Stream.from_batches(lambda: loader))
    assert (found[0] == X).all() and (found[1] == y).all() and found[0].dtype == np.float32
    needs = torch.tensor(X, requires_grad=True)
    with pytest.raises(DataError, match="X can't be made an array: .* that need no gradient"):
        Stream.from_batches(lambda: [(needs, y)])


def test_polars():
    polars = pytest.importorskip("polars")
    X, y = data()
    frame = polars.DataFrame({**{f"x{j}": X[:, j] for j in range(D)}, "y": y.astype(str)})
    stream = Stream.from_batches(lambda: frame.iter_slices(70), "y")
    found = joined(stream)
    assert (found[0] == X).all() and (found[1] == y.astype(str)).all()
    lazy = frame.lazy().with_columns(x0=polars.col("x0") * 2)
    if hasattr(lazy, "collect_batches"):
        found = joined(Stream.from_batches(lambda: lazy.collect_batches(maintain_order=True), "y"))
        assert (found[0] == X * [2, 1, 1, 1]).all()


def rejected(*batches: Any, **arguments: Any) -> None:
    list(Stream.from_batches(lambda: batches, **arguments).rows_in_order())


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda X, y: (X[:, 1:], y), "after row 1000: X has 3 features, and 4 in the first batch"),
        (lambda X, y: (X, y[1:]), "after row 1000: X has 1000 rows, and y 999"),
        (lambda X, y: (X, y, y), "either all batches must have weights, or none"),
        (lambda X, y: (scipy.sparse.csr_array(X), y), "X must be dense, as in the first batch"),
        (lambda X, y: (X, np.eye(3)[y]), "y has 3 columns, and 1 in the first"),
        (lambda X, y: (X.astype(str), y), "X must be a matrix of numbers, of shape"),
        (lambda X, y: (X[0], y), "X must be a matrix of numbers, of shape"),
        (lambda X, y: X, "a tuple .X, y. or .X, y, weights. of arrays, or a table"),
        (lambda X, y: (X,), "got 1 members"),
        (lambda X, y: (X, np.where(y > 1, np.nan, y)), "after row 1000: .*NaN"),
    ],
)
def test_batches_unlike_the_first(second: Callable, message: str):
    X, y = data()
    with pytest.raises(DataError, match=f"the batches.*{message}"):
        rejected((X, y), second(X, y))


def test_tables_unlike_the_first():
    table = pa.table({"a": [1.0, 2.0], "b": [3, 4], "y": [0, 1]})
    with pytest.raises(DataError, match='after row 2: .*"b"'):
        rejected(table, table.drop_columns("b"), target="y")
    text = table.set_column(1, "b", pa.array(["3", "4"]))
    with pytest.raises(DataError, match='after row 2: column "b" holds string, and int64 in'):
        rejected(table, text, target="y")
    with pytest.raises(DataError, match="int can't be made an Arrow table"):
        rejected(table, 3, target="y")
    with pytest.raises(DataError, match='the batches: column "b" holds string, but a stream needs'):
        rejected(text, target="y")
    missing = table.set_column(2, "y", pa.array([None, 1]))
    with pytest.raises(DataError, match='the batches: row 3, column "y": the target is missing'):
        rejected(table, missing, target="y")
    ints = table.set_column(0, "a", pa.array([1, 2], pa.int8()))
    nulls = table.set_column(0, "a", pa.nulls(2))
    fractions = table.set_column(1, "b", pa.array([0.5, None]))
    stream = Stream.from_batches(lambda: [table, ints, nulls, fractions], "y")
    found = joined(stream)[0]
    np.testing.assert_array_equal(found[:, 1], [3, 4, 3, 4, 3, 4, 0.5, np.nan])


def test_what_no_function_of_batches_is():
    X, y = data()
    with pytest.raises(DataError, match="needs a function that is called for each pass .* list"):
        Stream.from_batches([(X, y)])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="must return an iterable of batches, got int"):
        Stream.from_batches(lambda: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(DataError, match="there are none"):
        Stream.from_batches(lambda: [])
    once = iter([(X, y)])
    with pytest.raises(DataError, match="the same iterator as for the pass before"):
        list(Stream.from_batches(lambda: once).rows_in_order())
    with pytest.raises(DataError, match="columns of a matrix have no names; leave out target"):
        Stream.from_batches(lambda: [(X, y)], "y")
    with pytest.raises(DataError, match="set target to the name of the target column"):
        Stream.from_batches(lambda: [pa.table({"a": [1.0], "y": [1]})])


def test_another_number_of_rows_in_a_later_pass():
    X, y = data()
    passes: list[int] = []

    def batches() -> list[tuple]:
        passes.append(1)  # on opening, then in the pass that counts
        return [(X[i], y[i]) for i in cuts(100)][: 10 if len(passes) <= 2 else 9]

    with pytest.raises(InputError, match="the data had 1000 rows, and now have 900"):
        LogisticRegression().fit(Stream.from_batches(batches))
