"""
The path of an L1 penalty
=========================

An L1 penalty sets coefficients to exactly 0. Each line is the coefficient of one feature: from left
to right the penalty becomes weaker, and more and more features enter the model.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from fastclf import LogisticRegression

data = load_breast_cancer()
X = StandardScaler().fit_transform(data.data)
y = 1 - data.target  # 1 is malignant

# %%
# With ``warm_start=True`` each fit begins at the coefficients of the one before. It reaches the
# same optimum as a fit from zero in fewer iterations.

Cs = np.geomspace(2e-3, 1, 40)


def path(warm_start):
    clf = LogisticRegression(l1_ratio=1.0, warm_start=warm_start)
    coefs, iterations = [], 0
    for C in Cs:
        clf.set_params(C=C).fit(X, y)
        coefs.append(clf.coef_[0].copy())
        iterations += clf.n_iter_[0]
    return np.array(coefs), iterations


coefs, warm = path(warm_start=True)
_, cold = path(warm_start=False)
print(f"iterations of all fits: {warm} with warm starts, {cold} without")

# %%
# Six features are in the model for the most values of C. The legend names these.

first = np.argsort((coefs == 0).sum(axis=0))[:6]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.semilogx(Cs, coefs, color="#c8c8c8", linewidth=1)
for j in first:
    ax.semilogx(Cs, coefs[:, j], label=data.feature_names[j])
ax.set(
    xlabel="C (weaker penalty to the right)",
    ylabel="coefficient of the scaled feature",
    title="L1 path",
)
ax.legend(loc="upper left")
plt.show()

# %%
# The number of features in the model grows, though now and then one leaves it again.

fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.semilogx(Cs, (coefs != 0).sum(axis=1), drawstyle="steps-mid")
ax.set(
    xlabel="C (weaker penalty to the right)",
    ylabel="coefficients not 0",
    title="Features in the model",
)
plt.show()
