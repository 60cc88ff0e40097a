"""
Schedules of the learning rate
==============================

A constant learning rate keeps the coefficients moving around the optimum. A rate that falls lets
them come to rest, and a warm-up makes the first steps small.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from fastclf import LogisticRegression
from fastclf.solvers import SGD

X, y = load_digits(return_X_y=True)
X = X / 16
optimum = LogisticRegression(tol=1e-8).fit(X, y).history_["objective"][-1]

# %%
# ``history_`` has the learning rate and the objective of each epoch. The cosine schedule reaches 0
# at the last one, so it knows ``max_iter``.

epochs = 30
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6), sharex=True, layout="constrained")
for schedule in ["constant", "inverse_time", "step", "cosine"]:
    solver = SGD(batch_size=32, schedule=schedule, warmup=100)
    clf = LogisticRegression(solver=solver, max_iter=epochs, tol=0, random_state=0).fit(X, y)
    gap = clf.history_["objective"] - optimum
    axes[0].plot(range(1, epochs + 1), clf.history_["learning_rate"], label=schedule)
    axes[1].semilogy(range(1, epochs + 1), gap, label=schedule)
axes[0].set(ylabel="learning rate at the epoch's end", title="Four schedules of SGD")
axes[1].set(xlabel="epoch", ylabel="objective above the optimum")
axes[0].legend()
plt.show()

# %%
# With the constant rate the objective stays about 0.01 above the optimum. Each fall of the step
# schedule brings it closer at once, and the cosine schedule ends the closest of all.
