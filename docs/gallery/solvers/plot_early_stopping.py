"""
Early stopping
==============

Without a penalty a model goes on fitting the noise of its training rows. Early stopping watches
the loss of rows that don't train, and keeps the coefficients of the best epoch.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

from fastclf import LogisticRegression
from fastclf.solvers import Adam

X, y = make_classification(
    1500, 100, n_informative=10, n_classes=3, class_sep=1.0, flip_y=0.1, random_state=0
)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=300, random_state=0)
X_val, X_test, y_val, y_test = train_test_split(X_rest, y_rest, train_size=300, random_state=0)

# %%
# ``early_stopping=5`` stops after five epochs without a better validation loss. The first model
# never stops early, which shows what would have come. Without ``X_val`` and ``y_val`` the solver
# splits off a tenth of the training rows.

models = {}
for patience in (1000, 5):
    solver = Adam(batch_size=32, early_stopping=patience)
    clf = LogisticRegression(C=np.inf, solver=solver, max_iter=100, tol=0, random_state=0)
    models[patience] = clf.fit(X_train, y_train, X_val=X_val, y_val=y_val)

history, stopped = models[1000].history_, models[5].history_
best = stopped["validation_loss"].argmin()
epochs = np.arange(1, 1 + len(history["objective"]))

fig, ax = plt.subplots(layout="constrained")
ax.plot(epochs, history["objective"], label="training rows")
ax.plot(epochs, history["validation_loss"], label="validation rows")
ax.plot(
    epochs[best],
    stopped["validation_loss"][best],
    "o",
    color="#d55e00",
    markersize=10,
    label=f"best epoch: {epochs[best]}",
)
ax.axvline(
    len(stopped["objective"]),
    color="#666666",
    linestyle=":",
    label=f"stops after epoch {len(stopped['objective'])}",
)
ax.set(xlabel="epoch", ylabel="mean loss", title="Adam without a penalty")
ax.legend()
plt.show()

# %%
# Both models keep the coefficients of the best epoch; the second one saves the epochs after it. An
# L2 penalty is the other way to fit less noise, and here the better one.

penalised = LogisticRegression(C=0.01).fit(X_train, y_train)
for name, clf in [("early stopping", models[5]), ("penalty", penalised)]:
    print(f"{name:14s}  test accuracy {clf.score(X_test, y_test):.3f}")
