"""
Thresholds of a multi-label model
=================================

A rare label seldom reaches a probability of one half, so the usual threshold misses it. The curves
show the F1 score of each label against its threshold, and the dots the thresholds that are chosen.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from fastclf import MultiLabelLogisticRegression
from fastclf.data import FrameEncoder

datasets = Path("../../../datasets")  # the folder in fastclf's repository
films = pd.read_csv(datasets / "films.csv")
Y = films.pop("genres").str.get_dummies(";")
print(Y.mean().round(2).to_string())

# %%
# Half of the rows train the model, a quarter chooses thresholds, and a quarter tests them. One fit
# serves all five labels, and a film may have several of them or none.

train, rest = train_test_split(np.arange(len(films)), test_size=0.5, random_state=1)
val, test = train_test_split(rest, test_size=0.5, random_state=1)
encoder = FrameEncoder().fit(films.iloc[train])
X = encoder.transform(films)

clf = MultiLabelLogisticRegression().fit(X[train], Y.iloc[train])
F1_before = f1_score(Y.iloc[test], clf.predict(X[test]), average=None, zero_division=0)

clf.tune_thresholds(X[val], Y.iloc[val])
F1_after = f1_score(Y.iloc[test], clf.predict(X[test]), average=None, zero_division=0)

# %%
# ``tune_thresholds`` sets ``threshold_``, which ``predict`` uses from then on.

P = clf.predict_proba(X[val])
thresholds = np.linspace(0.02, 0.98, 49)
fig, ax = plt.subplots(layout="constrained")
for k, genre in enumerate(clf.classes_):
    scores = [
        f1_score(Y.iloc[val, k], P[:, k] > threshold, zero_division=0) for threshold in thresholds
    ]
    (line,) = ax.plot(thresholds, scores, label=genre)
    chosen = clf.threshold_[k]
    best = f1_score(Y.iloc[val, k], P[:, k] > chosen)
    ax.plot(chosen, best, "o", color=line.get_color(), markersize=9, markeredgecolor="white")
ax.axvline(0.5, color="#666666", linestyle=":", linewidth=1)
ax.set(xlabel="threshold", ylabel="F1 score on validation rows", title="Thresholds of five labels")
ax.legend(title="genre")
plt.show()

# %%
# On the test rows, too, all genres gain. At a threshold of one half no musical was found, and no
# film about war.

where = np.arange(len(clf.classes_))
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.bar(where - 0.2, F1_before, width=0.4, label="threshold 0.5")
ax.bar(where + 0.2, F1_after, width=0.4, label="tuned")
ax.set(
    xticks=where, xticklabels=clf.classes_, ylabel="F1 score on test rows", title="Before and after"
)
ax.legend()
plt.show()
