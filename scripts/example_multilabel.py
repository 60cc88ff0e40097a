"""Tag rows with several labels in one fit."""

from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

import fastclf

X, Y = make_multilabel_classification(2000, 50, n_classes=20, n_labels=4, random_state=0)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)

for threshold in (0.5, 0.3):
    clf = fastclf.MultiLabelLogisticRegression(threshold=threshold).fit(X_train, Y_train)
    score = f1_score(Y_test, clf.predict(X_test), average="micro")
    print(f"threshold {threshold}: micro F1 {score:.3f}")
print(f"all {len(clf.classes_)} labels took {clf.history_['passes'][-1]:.0f} passes over X")
