"""
Rare classes: weights or a threshold
====================================

Few rows are positive, so a plain model rarely predicts that class. Class weights and a lower
threshold find about the same rows, but only the plain model's probabilities stay right.
"""

import matplotlib.pyplot as plt
from sklearn.calibration import calibration_curve
from sklearn.datasets import make_classification
from sklearn.metrics import precision_recall_curve, precision_score, recall_score
from sklearn.model_selection import FixedThresholdClassifier, train_test_split

from fastclf import LogisticRegression

X, y = make_classification(
    20_000, 20, n_informative=6, weights=[0.95], class_sep=1.2, flip_y=0.01, random_state=3
)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

plain = LogisticRegression().fit(X_train, y_train)
weighted = LogisticRegression(class_weight="balanced").fit(X_train, y_train)
lowered = FixedThresholdClassifier(LogisticRegression(), threshold=y_train.mean()).fit(
    X_train, y_train
)
for name, model in [("plain", plain), ("weighted", weighted), ("threshold", lowered)]:
    predicted = model.predict(X_test)
    recall, precision = recall_score(y_test, predicted), precision_score(y_test, predicted)
    print(f"{name:10s}  recall {recall:.2f}  precision {precision:.2f}")

# %%
# Balanced weights give the positive rows as much weight as all others together. The third model
# instead predicts the rare class where its probability exceeds its share of the rows. Both find
# more positive rows, at the price of more false alarms.
#
# The left panel has precision and recall at all thresholds, with dots at one half. Weights don't
# give a better curve, only another point on it. The right panel shows what they cost: probabilities
# that are much too large. So weigh classes if you can't choose a threshold, and otherwise choose
# one: scikit-learn's ``TunedThresholdClassifierCV`` finds it by any score.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
for name, model, marker in [("plain", plain, "o"), ("weighted", weighted, "s")]:
    p = model.predict_proba(X_test)[:, 1]
    precision, recall, _ = precision_recall_curve(y_test, p)
    (line,) = axes[0].plot(recall, precision, label=name)
    half = recall_score(y_test, p > 0.5), precision_score(y_test, p > 0.5)
    axes[0].plot(*half, marker, color=line.get_color(), markersize=9, markeredgecolor="white")
    share, predicted = calibration_curve(y_test, p, n_bins=8)
    axes[1].plot(predicted, share, marker=marker, label=name)
axes[1].plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1)
axes[0].set(xlabel="recall", ylabel="precision", title="Nearly the same curve")
axes[1].set(xlabel="predicted probability", ylabel="share of positive rows", title="Calibration")
axes[0].legend()
plt.show()
