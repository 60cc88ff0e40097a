"""
Distillation into a linear student
==================================

A random forest has seen 1000 images of digits. A linear student gets 100 of them, with labels and
with the forest's probabilities. The figure shows what the student gains from each mixture.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from fastclf import DistilledClassifier, LogisticRegression

X, y = load_digits(return_X_y=True)
X_seen, X_test, y_seen, y_test = train_test_split(
    X / 16, y, train_size=1000, random_state=0, stratify=y
)
X_train, y_train = X_seen[:100], y_seen[:100]

teacher = RandomForestClassifier(200, random_state=0).fit(X_seen, y_seen)
student = LogisticRegression(C=10.0).fit(X_train, y_train)
print(f"teacher        accuracy {teacher.score(X_test, y_test):.3f}")
print(f"plain student  accuracy {student.score(X_test, y_test):.3f}")

# %%
# ``temperature`` softens the teacher's probabilities, so that improbable classes count more.
# ``hard_weight`` is the weight of the labels: with 0 the student learns from the teacher alone.
# ``FrozenEstimator`` says that the teacher is fitted already.

temperatures = [1, 1.5, 2, 3, 4, 5]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6), sharex=True, layout="constrained")
for hard_weight, marker in [(0.0, "o"), (0.5, "s"), (0.9, "^")]:
    models = [
        DistilledClassifier(
            FrozenEstimator(teacher),
            student=LogisticRegression(C=10.0),
            temperature=temperature,
            hard_weight=hard_weight,
        ).fit(X_train, y_train)
        for temperature in temperatures
    ]
    losses = [log_loss(y_test, model.predict_proba(X_test)) for model in models]
    accuracies = [model.score(X_test, y_test) for model in models]
    axes[0].plot(temperatures, losses, marker=marker, label=f"hard_weight {hard_weight}")
    axes[1].plot(temperatures, accuracies, marker=marker)

axes[0].axhline(
    log_loss(y_test, student.predict_proba(X_test)), color="black", linestyle="--", label="plain"
)
axes[1].axhline(student.score(X_test, y_test), color="black", linestyle="--")
axes[0].set(ylabel="log loss of test rows", title="Student with 100 training rows")
axes[1].set(xlabel="temperature", ylabel="accuracy on test rows")
axes[0].legend()
plt.show()

# %%
# The dashed line is the student that learns from labels alone. With labels and the teacher together
# (0.9) it is better at all temperatures, by both measures. With the teacher alone (0.0) the best
# temperatures are low: at high ones the student has to match the teacher on improbable classes,
# too, which a linear model can't. If the student gets all rows of the teacher with their labels,
# don't expect a gain: see :doc:`the experiments </experiments>`.
