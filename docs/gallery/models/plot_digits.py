"""
Coefficients as images
======================

A linear classifier of images has one coefficient for each pixel and class. Drawn as images, they
show where ink speaks for a digit (blue) and where it speaks against it (red).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastclf import LogisticRegression

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
clf = LogisticRegression(C=0.1).fit(X_train, y_train)
print(f"accuracy on test rows: {clf.score(X_test, y_test):.3f}")

# %%
# The ten coefficients of a pixel add up to 0: a softmax doesn't change if the same number is added
# to all of them, and the L2 penalty is smallest where their sum is 0.

largest = np.abs(clf.coef_).max()
fig, axes = plt.subplots(2, 5, figsize=(7, 3.6), layout="constrained")
for digit, ax in enumerate(axes.flat):
    image = clf.coef_[digit].reshape(8, 8)
    shown = ax.imshow(image, cmap="RdBu", vmin=-largest, vmax=largest)
    ax.set_title(digit)
    ax.axis("off")
fig.suptitle("Coefficients of each digit")
fig.colorbar(shown, ax=axes, label="coefficient")
plt.show()

# %%
# The contributions of the pixels to the logit of a class are coefficients times ink. For one image
# of the test rows this shows why the model prefers its first choice to the second one.

z = clf.decision_function(X_test)
margin = np.diff(np.sort(z, axis=1)[:, -2:], axis=1).ravel()
row = margin.argmin()  # the closest decision
second, first = z[row].argsort()[-2:]
difference = (clf.coef_[first] - clf.coef_[second]) * X_test[row]

fig, axes = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
axes[0].imshow(X_test[row].reshape(8, 8), cmap="Greys")
axes[0].set_title(f"a {y_test[row]}")
limit = np.abs(difference).max()
shown = axes[1].imshow(difference.reshape(8, 8), cmap="RdBu", vmin=-limit, vmax=limit)
axes[1].set_title(f"{first} (blue) or {second} (red)?")
fig.colorbar(shown, ax=axes[1], label="part of the difference of logits")
for ax in axes:
    ax.axis("off")
plt.show()
