"""The numbers of rows, by which they are split: laws, and that parts are even and independent."""

import numpy as np
import pytest
import scipy.sparse

from fastclf import row_hash
from fastclf.estimators.sampled import Sample


def integers(n: int = 20_000, d: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(-2, 3, (n, d)).astype(np.float64)


def test_the_number_is_that_of_the_values():
    X = integers()
    u = row_hash.of_matrix(X, [3])
    assert ((u >= 0) & (u < 1)).all()
    assert (u == row_hash.of_matrix(X.astype(np.float32), [3])).all()
    assert (u == row_hash.of_matrix(np.asfortranarray(X), [3])).all()
    assert (u == row_hash.of_matrix(scipy.sparse.csr_matrix(X), [3])).all()
    assert (u == row_hash.of_columns(map(row_hash.number_bits, X.T), 6, [3])).all()
    order = np.random.default_rng(1).permutation(len(X))
    assert (u[order] == row_hash.of_matrix(X[order], [3])).all()
    halves = [row_hash.of_matrix(part, [3]) for part in np.array_split(X, 7)]
    assert (u == np.concatenate(halves)).all()


def test_missing_values_and_zeros_have_one_form():
    other = np.array([0xFFC00001], np.uint32).view(np.float32)[0]
    X = np.array([[0.0, np.nan], [-0.0, other], [0.0, 0.0]], np.float32)
    u = row_hash.of_matrix(X, [0])
    assert u[0] == u[1] != u[2]
    assert (row_hash.of_matrix(np.array([[np.inf, 1e300]]), [0]) < 1).all()


@pytest.mark.parametrize(
    "X",
    [
        np.arange(50_000.0)[:, None],
        np.random.default_rng(0).normal(size=(50_000, 3)),
        np.eye(2)[np.random.default_rng(0).integers(0, 2, (50_000, 20))].reshape(50_000, 40),
    ],
    ids=["counter", "normal", "indicators"],
)
def test_parts_are_even_and_seeds_independent(X: np.ndarray):
    u, v = (row_hash.of_matrix(X, [seed]) for seed in (0, 1))
    counts = np.histogram2d(u, v, bins=8, range=[[0, 1], [0, 1]])[0]
    expected = len(X) / 64
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 63 + 5 * np.sqrt(2 * 63)


def test_text_is_hashed_by_itself():
    bits = row_hash.text_bits(["Bonn", "Rome"])
    assert (row_hash.text_bits(["Rome", "Bonn"])[[1, 0, 2]] == bits).all()
    assert len(set(bits.tolist())) == 3


def test_a_sample_depends_on_all_rows_and_not_on_their_order():
    X = integers(5000, 1) + np.arange(5000.0)[:, None]
    u = row_hash.of_matrix(X, [0])

    def sample(*pieces: np.ndarray) -> Sample:
        found = Sample(0.2, 0.7, 100 * 8, lambda rows, index: rows[index], lambda rows: rows.nbytes)
        for rows in pieces:
            found.add(u[rows], X[rows].__getitem__)
        return found

    whole = sample(np.arange(5000))
    assert whole.n_rows == ((u >= 0.2) & (u < 0.7)).sum() > 2000
    assert 50 < whole.n_kept <= 100
    kept = np.concatenate(whole.taken())
    assert whole.n_kept == 0
    parts = np.array_split(np.arange(5000), 13)
    assert (np.concatenate(sample(*parts).taken()) == kept).all()
    merged = sample(*parts[:5])
    merged.merge(sample(*parts[5:]))
    assert (np.concatenate(merged.taken()) == kept).all() and merged.n_rows == whole.n_rows
    backwards = np.concatenate(sample(*parts[::-1]).taken())
    assert (np.sort(backwards, axis=0) == np.sort(kept, axis=0)).all()
