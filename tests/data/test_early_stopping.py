"""Early stopping on streams: which rows are held out, and that they aren't trained on."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from row_streams import Pieces

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.data import Stream
from fastclf.errors import InputError
from fastclf.estimators import choice, streams
from fastclf.solvers import Adam


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1000, 4)) + 1
    logits = X @ rng.normal(size=(4, 3))
    return X, (logits + rng.gumbel(size=(1000, 3))).argmax(axis=1)


def stream(folder: Path, X: np.ndarray, y: np.ndarray, **settings) -> Stream:
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    return Stream(folder / "X.npy", target_path=folder / "y.npy", **settings)


@pytest.mark.parametrize("several", [False, True])
def test_early_stopping_holds_out_rows_by_their_values(tmp_path: Path, several: bool):
    X, y = data()
    Y = np.stack([y == 1, y == 2, X[:, 0] > 0.3], axis=1).astype(float) if several else y
    source = stream(tmp_path, X, Y)
    kind = MultiLabelLogisticRegression if several else LogisticRegression
    solver = Adam(early_stopping=3, validation_fraction=0.2)
    make = lambda: kind(solver=solver, max_iter=30, random_state=7)  # noqa: E731
    found = make().fit(source)
    held_out = choice.held_out(solver, 7, None)
    out = held_out.numbers(X) < held_out.share
    assert 0.15 < out.mean() < 0.25
    # The same rows, split beforehand, give the same fit.
    (tmp_path / "rest").mkdir()
    rest = stream(tmp_path / "rest", X[~out], Y[~out])
    wanted = make().fit(rest, X_val=X[out], y_val=Y[out])
    assert (found.history_["validation_loss"] == wanted.history_["validation_loss"]).all()
    assert (found.coef_ == wanted.coef_).all()
    # Other chunks hold out the same rows.
    pieces = stream(tmp_path, X, Y, chunk_rows=50)
    again = make().fit(pieces)
    first = again.history_["validation_loss"][0], found.history_["validation_loss"][0]
    assert first[0] == pytest.approx(first[1], rel=0.2)


def test_early_stopping_with_too_few_rows(tmp_path: Path):
    X, y = data()
    X = np.tile(X[:1], (100, 1))  # equal rows are in the same part
    source = stream(tmp_path, X, np.arange(100) % 2)
    with pytest.raises(InputError, match="can't split validation rows off 100 rows"):
        LogisticRegression(solver=Adam(early_stopping=3), random_state=0).fit(source)


def test_classes_of_held_out_rows_are_known(tmp_path: Path):
    X, y = data()
    held_out = choice.held_out(Adam(early_stopping=3), 0, None)
    out = np.flatnonzero(held_out.numbers(X) < held_out.share)
    y = y.copy()
    y[out[0]] = 5
    clf = LogisticRegression(solver=Adam(early_stopping=3), random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="no weight .* negative rows of 5"):
        clf.fit(stream(tmp_path, X, y))
    assert 5 in clf.classes_


def test_validation_rows_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    X, y = data()
    source = stream(tmp_path, X, y, chunk_rows=70)
    clf = LogisticRegression(solver=Adam(early_stopping=3), random_state=0, max_iter=3)
    held_out = choice.held_out(clf.solver, 0, None)
    u = held_out.numbers(X)
    monkeypatch.setattr(streams, "HELD_BYTES", 30 * X[0].nbytes)
    found = clf._survey(source, held_out)[0].found
    rows = found.validation.X
    wanted = X[u < held_out.share / 4]
    assert 10 < len(rows) <= 30 and (rows == wanted).all()
    assert found.extent.n_rows == (u >= held_out.share).sum()


def test_rows_of_csr_are_held_out_as_dense_ones_are():
    X, y = data()
    X[np.abs(X) < 0.7] = 0
    solver = Adam(early_stopping=3, validation_fraction=0.2)
    held_out = choice.held_out(solver, 7, None)
    out = held_out.numbers(X) < held_out.share
    sparse = scipy.sparse.csr_matrix(X)
    clf = LogisticRegression(solver=solver)
    found = clf._survey(Pieces(sparse, y, rows=70), held_out)[0]
    assert (found.found.validation.X.toarray() == X[out]).all()
    trained = np.concatenate([part.toarray() for part, _ in found.in_order()])
    assert (trained == X[~out]).all() and found.extent.n_rows == len(trained)
