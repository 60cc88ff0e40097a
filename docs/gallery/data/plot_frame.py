"""
A data frame with categories and missing values
===============================================

:class:`fastclf.data.FrameEncoder` turns the columns of a frame into features. The bars show how
much each of them raises or lowers the logit of an approved loan.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from fastclf import LogisticRegression
from fastclf.data import FrameEncoder

datasets = Path("../../../datasets")  # the folder in fastclf's repository
loans = pd.read_csv(datasets / "loans.csv", index_col="id")
y = loans.pop("approved")
print(loans.isna().sum().to_string())

# %%
# Numbers are scaled, and missing ones become the mean of the training rows. Each category is a
# feature of 0 or 1, and a missing category is one, too: that of ``work`` is written as "?".

X_train, X_test, y_train, y_test = train_test_split(loans, y, random_state=0, stratify=y)
clf = make_pipeline(FrameEncoder(scale="standard"), LogisticRegression())
clf.fit(X_train, y_train)
print(f"test accuracy {clf.score(X_test, y_test):.3f}")

# %%
# A bar of a number is the change of the logit for one standard deviation more; a bar of a category
# is the change for belonging to it.

names = clf[0].get_feature_names_out()
coefs = clf[-1].coef_[0]
order = np.argsort(coefs)
fig, ax = plt.subplots(figsize=(7, 5.5), layout="constrained")
ax.barh(names[order], coefs[order], color=np.where(coefs[order] > 0, "#0072b2", "#d55e00"))
ax.set(xlabel="coefficient: logit of an approved loan", title="Features of a loan")
ax.grid(axis="y", visible=False)
plt.show()

# %%
# A new row may have columns in another order, missing values, and categories that no training row
# has.

new = pd.DataFrame(
    {
        "work": ["astronaut"],
        "city": [None],
        "age": [41],
        "income": [np.nan],
        "married": ["yes"],
        "late_payments": [0],
        "amount": [9000],
    }
)
print(clf.predict_proba(new).round(2))
