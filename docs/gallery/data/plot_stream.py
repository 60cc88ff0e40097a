"""
Streaming: the same model without the rows in memory
====================================================

A :class:`fastclf.data.Stream` reads a file again in each pass, so memory doesn't grow with the
rows. The coefficients are those of a fit in memory.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fastclf import LogisticRegression
from fastclf.data import Stream

rng = np.random.default_rng(0)
true_coef = np.linspace(-2, 2, 12)
X = rng.normal(size=(30_000, 12))
y = rng.random(30_000) < 1 / (1 + np.exp(-X @ true_coef))

folder = tempfile.TemporaryDirectory()
frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(12)]).assign(y=y.astype(int))
for part in range(3):
    rows = frame.iloc[10_000 * part : 10_000 * (part + 1)]
    rows.to_csv(Path(folder.name, f"part{part}.csv"), index=False)

# %%
# A stream is a file or a folder of files. ``fit`` takes it in place of X and y.

streamed = LogisticRegression(tol=1e-8).fit(Stream(folder.name, "y"))
in_memory = LogisticRegression(tol=1e-8).fit(X, y)

# %%
# Rows may also come from a function that yields batches: from a database, a loader of PyTorch, or
# any other source. It is called once for each pass.


def batches():
    for start in range(0, len(X), 500):
        yield X[start : start + 500], y[start : start + 500]


batched = LogisticRegression(tol=1e-8).fit(Stream.from_batches(batches))
for name, clf in [("folder of files", streamed), ("batches", batched)]:
    difference = np.abs(clf.coef_ - in_memory.coef_).max()
    print(f"{name:15s}  largest difference below 1e-6: {difference < 1e-6}")

# %%
# The three fits lie on top of each other. :doc:`/guide/streams` has more on streams: categories and
# missing values, cross-validation, and early stopping.

where = np.arange(12)
fig, ax = plt.subplots(layout="constrained")
ax.bar(where, in_memory.coef_[0], color="#cfcfcf", label="in memory")
ax.plot(where, streamed.coef_[0], "o", markersize=9, label="stream of files")
ax.plot(where, batched.coef_[0], "k+", markersize=9, markeredgewidth=1.5, label="stream of batches")
ax.set(xlabel="feature", ylabel="coefficient", title="Three fits of one model", xticks=where)
ax.legend()
plt.show()
folder.cleanup()
