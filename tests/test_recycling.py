"""Memory that is used again, and only once nobody holds it."""

import gc

import numpy as np

from fastclf.recycling import Recycled


def test_arrays_have_their_shape_and_are_writable():
    memory = Recycled()
    for shape in ((3, 5), (0, 4), (7,), (2, 3, 4)):
        for dtype in (np.float32, np.float64, np.int8):
            X = memory.empty(shape, dtype)
            assert X.shape == shape and X.dtype == dtype
            assert X.flags.c_contiguous and X.flags.writeable and X.flags.aligned
            X[...] = 1


def test_what_somebody_holds_is_never_given_again():
    rng = np.random.default_rng(0)
    memory = Recycled()
    held: list[tuple[np.ndarray, int]] = []
    for i in range(500):
        X = memory.empty((int(rng.integers(1, 2000)), 50), np.float32)
        X[...] = i
        held.append((X[len(X) // 2 :].reshape(-1, 10).T, i))  # a view of a view of a view
        del X
        if len(held) > 5:
            held.pop(int(rng.integers(6)))
        assert all((part == value).all() for part, value in held)


def test_memory_is_used_again_where_it_is_enough():
    memory = Recycled()
    X = memory.empty((1000, 100), np.float64)
    address = X.ctypes.data
    del X
    gc.collect()
    assert memory.empty((999, 100), np.float64).ctypes.data == address
    assert memory.empty((10_000, 100), np.float64).ctypes.data != address
