"""
Choosing C by cross-validation
==============================

A strong penalty fits too little, a weak one too much. ``LogisticRegressionCV`` fits all values of C
on all folds and keeps the C with the best mean score.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification

from fastclf import LogisticRegressionCV

X, y = make_classification(300, 60, n_informative=8, n_classes=3, class_sep=1.2, random_state=0)

clf = LogisticRegressionCV(
    Cs=np.geomspace(1e-4, 1, 17),
    cv=5,
    l1_ratios=(0.0,),
    scoring="neg_log_loss",
    use_legacy_attributes=False,
).fit(X, y)
print(f"chosen: C = {clf.C_:.4f}")

# %%
# ``scores_`` has shape (folds, l1_ratios, Cs). Each thin line is a fold, whose rows weren't part of
# that fit. ``history_`` counts the passes over X in which all 85 fits were made together.

losses = -clf.scores_[:, 0, :]
mean = losses.mean(axis=0)
error = losses.std(axis=0, ddof=1) / np.sqrt(len(losses))

fig, ax = plt.subplots(layout="constrained")
ax.semilogx(clf.Cs_, losses.T, color="#c8c8c8", linewidth=1)
ax.semilogx(clf.Cs_, mean, label="mean of five folds")
ax.fill_between(clf.Cs_, mean - error, mean + error, alpha=0.2, label="± 1 standard error")
ax.plot(clf.C_, mean.min(), "o", color="#d55e00", markersize=9, label="chosen")
ax.set(
    xlabel="C (weaker penalty to the right)", ylabel="log loss of held-out rows", title="Five folds"
)
ax.legend()
plt.show()
print(f"passes over X: {clf.history_['path_passes']:.0f}")

# %%
# The one-standard-error rule prefers a simpler model: the strongest penalty whose mean loss is at
# most a standard error above the best one.

best = mean.argmin()
simple = clf.Cs_[np.flatnonzero(mean <= mean[best] + error[best])[0]]
print(f"one standard error: C = {simple:.4f}")
