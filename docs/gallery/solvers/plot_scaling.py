"""
Features on different scales
============================

Measurements in different units slow most solvers down. The exact solvers of fastclf need about as
many iterations with raw features as with scaled ones.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import sklearn.linear_model
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import fastclf

data = load_breast_cancer()
X, y = data.data, data.target
print(f"standard deviations from {X.std(axis=0).min():.4f} to {X.std(axis=0).max():.0f}")

# %%
# Both libraries minimise the same objective, the mean log loss plus an L2 penalty. It has another
# optimum for scaled features than for raw ones, so each curve is relative to its own.


def objective(clf, X):
    p = clf.predict_proba(X)
    loss = fastclf.functional.cross_entropy(p, y, from_logits=False)
    return loss + (clf.coef_**2).sum() / (2 * clf.C * len(X))


limits = [5, 10, 20, 40, 80]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, features, style in [
    ("raw", X, "-"),
    ("scaled", StandardScaler().fit_transform(X), ":"),
]:
    exact = fastclf.LogisticRegression(tol=1e-9).fit(features, y)
    best = objective(exact, features)
    ours = exact.history_["objective"] - best
    theirs = []
    for limit in limits:
        other = sklearn.linear_model.LogisticRegression(tol=1e-9, max_iter=limit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is cut short on purpose
            other.fit(features, y)
        theirs.append(objective(other, features) - best)
    ax.loglog(np.arange(1, 1 + len(ours)), ours, style, color="C0", label=f"fastclf, {name}")
    ax.loglog(limits, theirs, style, color="C1", label=f"scikit-learn's default, {name}")
ax.set(
    xlabel="iterations",
    ylabel="objective above the optimum",
    title="Raw and scaled features",
    ylim=(1e-9, 1),
)
ax.legend()
plt.show()

# %%
# With its defaults scikit-learn stops after 100 iterations on raw features, and warns. The rest of
# the warning advises more iterations or scaled features; fastclf needs neither here.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sklearn.linear_model.LogisticRegression().fit(X, y)
print(str(caught[0].message).splitlines()[0].rstrip(":"))
print(f"fastclf: {fastclf.LogisticRegression().fit(X, y).history_['status']}")
