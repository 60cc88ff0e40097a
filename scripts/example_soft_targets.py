"""Train on distributions: the votes of three noisy annotators instead of their majority."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastclf

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)

rng = np.random.default_rng(0)
guesses = rng.integers(0, 10, (3, len(y_train)))
votes = np.where(rng.random(guesses.shape) < 0.6, guesses, y_train)
P = (votes[:, :, None] == np.arange(10)).mean(axis=0)

for name, target in (("majority", P.argmax(axis=1)), ("distribution", P)):
    clf = fastclf.LogisticRegression(C=0.1).fit(X_train, target)
    print(f"{name:12s}  test accuracy {clf.score(X_test, y_test):.3f}")
