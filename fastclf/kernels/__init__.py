"""Every compiled function of the project, and nothing else.

* ``runtime``: how kernels are compiled, cached and shared between threads; elementary functions.
* ``loss``: losses on rows of logits.
* ``products``: products of rows of X with the coefficients, and back.
* ``passes``: one read of X, with the loss of each row.
* ``linalg``: line search, limited-memory pairs, and small or structured matrices.
* ``steps``: whole steps of solvers, each compiled as one function.

Kernels run on one thread without the GIL, over chunks of rows; the caller cuts the chunks. Arrays
are C-contiguous, float32 or float64, and validated by the caller.
"""
