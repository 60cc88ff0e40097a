"""
Label smoothing with wrong labels
=================================

A fifth of the training labels here are random. With a weak penalty the model believes them; label
smoothing limits the damage. With a strong enough penalty there is little left for it to improve.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from fastclf import LogisticRegression

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=400, random_state=0, stratify=y
)
rng = np.random.default_rng(0)
y_train = np.where(rng.random(400) < 0.2, rng.integers(0, 10, 400), y_train)

# %%
# ``label_smoothing=0.1`` fits each row to 0.91 for its label and 0.01 for each of the nine other
# digits, instead of 1 and 0. So the best logits are finite, and a wrong label costs less.

Cs = np.geomspace(1e-2, 1e3, 7)
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6), sharex=True, layout="constrained")
for smoothing, marker in [(0.0, "o"), (0.1, "s"), (0.3, "^")]:
    models = [LogisticRegression(C=C, label_smoothing=smoothing).fit(X_train, y_train) for C in Cs]
    losses = [log_loss(y_test, model.predict_proba(X_test)) for model in models]
    accuracies = [model.score(X_test, y_test) for model in models]
    axes[0].loglog(Cs, losses, marker=marker, label=f"label_smoothing {smoothing}")
    axes[1].semilogx(Cs, accuracies, marker=marker)
axes[0].set(ylabel="log loss of test rows", title="A fifth of the training labels is random")
axes[0].set_yticks([0.5, 1, 2, 3], [0.5, 1, 2, 3], minor=False)
axes[0].minorticks_off()
axes[1].set(xlabel="C (weaker penalty to the right)", ylabel="accuracy on test rows")
axes[0].legend()
plt.show()

# %%
# The lowest log loss of all belongs to a model without smoothing, at a C of about 3: smoothed
# probabilities are too small by design. Where only the most probable class counts, a smoothed model
# is as good, and it depends less on the choice of C.
