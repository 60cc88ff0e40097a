"""
Raw text: the strongest words
=============================

A linear model of words shows why it decides as it does. For each topic of the messages to a shop
the bars are the words and pairs of words that speak most for it.
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
messages = pd.read_csv(datasets / "messages.csv")
print(messages.loc[0, "message"])

# %%
# Words and pairs of words become TF-IDF features; the other column, how a message came, becomes
# categories.

topics = messages.pop("topic")
X_train, X_test, y_train, y_test = train_test_split(
    messages, topics, random_state=0, stratify=topics
)
clf = make_pipeline(FrameEncoder(text=["message"]), LogisticRegression(C=10.0))
clf.fit(X_train, y_train)
names = clf[0].get_feature_names_out()
print(f"{len(names)} features, test accuracy {clf.score(X_test, y_test):.3f}")

# %%
# All test messages are classified rightly: they were made from a few sentences with gaps, which is
# easier than what customers write. Even so, some of the strongest words, such as "for the", tell
# more about these sentences than about the topic. Look at the words before you trust a model.

fig, axes = plt.subplots(2, 2, figsize=(7.5, 5.5), sharex=True, layout="constrained")
fig.suptitle("Strongest words of each topic")
words = np.array([name.removeprefix("message: ") for name in names])
for k, (ax, topic) in enumerate(zip(axes.flat, clf.classes_, strict=True)):
    strongest = clf[-1].coef_[k].argsort()[-8:]
    ax.barh(words[strongest], clf[-1].coef_[k, strongest], color=f"C{k}")
    ax.set_title(topic)
    ax.grid(axis="y", visible=False)
for ax in axes[1]:
    ax.set_xlabel("coefficient")
plt.show()
