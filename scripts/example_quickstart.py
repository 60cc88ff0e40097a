"""Train on labels, save, load, and predict."""

import tempfile
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastclf

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

clf = fastclf.LogisticRegression().fit(X_train, y_train)
print(f"test accuracy {clf.score(X_test, y_test):.3f}")
print(f"stopped because: {clf.history_['status']}, after {clf.history_['passes'][-1]:.0f} passes")

path = Path(tempfile.mkdtemp()) / "digits.safetensors"
clf.save(path)
print(f"loaded from {path.name}: {fastclf.load(path).predict(X_test[:5])}")
