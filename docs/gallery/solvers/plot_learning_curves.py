"""
Learning curves of solvers
==========================

How close each solver is to the smallest possible objective after so many passes over the data.
Exact solvers reach it; minibatch solvers are quick at first, and then slow down.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastclf import LogisticRegression
from fastclf.solvers import LBFGS, SGD, Adam, Newton

X, y = load_digits(return_X_y=True)
X = X / 16
optimum = LogisticRegression(solver=Newton(tol=1e-10)).fit(X, y).history_["objective"][-1]

# %%
# ``history_`` has an entry for each iteration of an exact solver, and for each epoch of a minibatch
# solver. ``passes`` counts how often all rows were read, so it makes them comparable; an iteration
# of Newton's method does more with a pass than one of L-BFGS. The objective of an epoch is the mean
# over its batches while the coefficients change.

solvers = {
    "Newton": Newton(tol=1e-8),
    "L-BFGS": LBFGS(tol=1e-8),
    "Adam": Adam(batch_size=32),
    "Adam, cosine schedule": Adam(batch_size=32, schedule="cosine"),
    "SGD": SGD(batch_size=32),
}
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, solver in solvers.items():
    clf = LogisticRegression(solver=solver, max_iter=60, tol=0, random_state=0).fit(X, y)
    history = clf.history_
    ax.semilogy(history["passes"], history["objective"] - optimum, label=name)
    print(f"{name:22s} {history['status']:10s} after {history['passes'][-1]:3.0f} passes")
ax.set(
    xlabel="passes over the data",
    ylabel="objective above the optimum",
    title="Five solvers",
    ylim=(1e-9, 3),
)
ax.legend()
plt.show()

# %%
# Newton's method needs about half as many passes as L-BFGS. At a constant learning rate Adam and
# SGD stay about 0.01 above the optimum, because each batch pulls the coefficients elsewhere. A
# schedule that lowers the rate takes Adam closer. :doc:`/benchmarks/solvers` has times in seconds.
