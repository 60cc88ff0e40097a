"""
Decision regions of a softmax
=============================

A multinomial logistic regression divides the plane into one region for each class. The stronger the
colour, the more probable is the class; lines join points with the same probability.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba_array
from sklearn.datasets import make_blobs

from fastclf import LogisticRegression

X, y = make_blobs(300, centers=[[-2, -1], [2, -1], [0, 2]], cluster_std=1.3, random_state=0)
clf = LogisticRegression().fit(X, y)

# %%
# ``predict_proba`` returns three probabilities for each point of a grid, which add up to 1. The
# class of a point is the most probable one. The logarithms of two probabilities differ by a linear
# function of the features, so the border between two regions is a straight line.

x1, x2 = np.meshgrid(np.linspace(-6, 6, 300), np.linspace(-5, 6, 300))
P = clf.predict_proba(np.column_stack([x1.ravel(), x2.ravel()])).reshape(300, 300, 3)

colors = to_rgba_array(["#0072b2", "#d55e00", "#009e73"])
image = colors[P.argmax(axis=2)]
image[..., 3] = 0.7 * P.max(axis=2) ** 3  # opacity

fig, ax = plt.subplots(figsize=(6.4, 5), layout="constrained")
ax.imshow(image, extent=(-6, 6, -5, 6), origin="lower", aspect="auto")
lines = ax.contour(x1, x2, P.max(axis=2), [0.7, 0.9, 0.99], colors="black", linewidths=0.8)
ax.clabel(lines, fmt="%.2f")
for k, marker in enumerate("os^"):
    ax.scatter(*X[y == k].T, s=28, marker=marker, color=colors[k], edgecolor="white", label=k)
ax.set(xlabel="first feature", ylabel="second feature", title="Probability of the predicted class")
ax.grid(False)
ax.legend(title="class", loc="lower left")
plt.show()

# %%
# Each row of ``coef_`` is the direction in which the logit of its class grows fastest.

print(clf.coef_.round(2))
