"""
Calibration before and after
============================

An overfitted model is too sure of itself. A reliability diagram shows it, and
:class:`fastclf.TemperatureScaler` repairs it with one number that is fitted to other rows.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

from fastclf import LogisticRegression, TemperatureScaler
from fastclf import functional as F

X, y = make_classification(
    6000, 60, n_informative=10, n_classes=3, class_sep=0.8, flip_y=0.05, random_state=0
)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=300, random_state=0)
X_other, X_test, y_other, y_test = train_test_split(X_rest, y_rest, train_size=1000, random_state=0)

clf = LogisticRegression(C=100.0).fit(X_train, y_train)
scaler = TemperatureScaler(clf).fit(X_other, y_other)
print(f"temperature: {scaler.temperature_:.2f}")

# %%
# Each bar holds the rows whose most probable class has about the probability below it. Its height
# is the share of these rows that have that class. For a calibrated model the bars end at the
# diagonal. The expected calibration error (ECE) is the mean distance from it, over all rows.

n_bins = 10
fig, axes = plt.subplots(1, 2, figsize=(7, 3.8), sharey=True, layout="constrained")
for ax, model, title in zip(axes, [clf, scaler], ["before", "after"], strict=True):
    P = model.predict_proba(X_test)
    counts, confidence, accuracy = F.reliability(P, y_test, n_bins=n_bins)
    error = F.expected_calibration_error(P, y_test, n_bins=n_bins)
    ax.bar(confidence, accuracy, width=0.07, label="accuracy")
    ax.plot([0, 1], [0, 1], color="#d55e00", linestyle="--", label="calibrated")
    ax.set(title=f"{title}: ECE {error:.3f}", xlabel="predicted probability", xlim=(0.3, 1.03))
axes[0].set_ylabel("share of rows predicted correctly")
axes[0].legend(loc="upper left")
plt.show()

# %%
# The predicted classes, and so the accuracy, are the same, because a temperature keeps the order of
# the classes. The log loss, which punishes mistaken certainty, is lower.

for name, model in [("before", clf), ("after", scaler)]:
    P = model.predict_proba(X_test)
    loss = F.cross_entropy(P, y_test, from_logits=False)
    print(f"{name:6s}  accuracy {model.score(X_test, y_test):.3f}  log loss {loss:.3f}")
