"""Distil a random forest into a linear model."""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

import fastclf

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.8, random_state=0, stratify=y)

teacher = RandomForestClassifier(300, random_state=0)
student = fastclf.LogisticRegression(C=0.1)
distilled = fastclf.DistilledClassifier(teacher, student=student, temperature=2.0, hard_weight=0.2)
distilled.fit(X_train, y_train)

print(f"teacher    {distilled.teacher_.score(X_test, y_test):.3f}")
print(f"distilled  {distilled.score(X_test, y_test):.3f}")
print(f"plain      {student.fit(X_train, y_train).score(X_test, y_test):.3f}")
