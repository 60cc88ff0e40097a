"""Train with Adam, a schedule and early stopping, and watch the progress."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastclf
from fastclf.solvers import Adam, observing

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

solver = Adam(learning_rate=1e-2, batch_size=64, schedule="cosine", early_stopping=5)
clf = fastclf.LogisticRegression(solver=solver, max_iter=30, random_state=0)


def show(progress):
    print(f"epoch {progress.iteration:2d}  validation loss {progress.validation_loss:.4f}")


with observing(show):
    clf.fit(X_train, y_train)
print(f"test accuracy {clf.score(X_test, y_test):.3f}")
