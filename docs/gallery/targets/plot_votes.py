"""
Soft labels from votes
======================

Twenty readers voted on the tone of each message. A model that is fitted to the shares of their
votes is unsure where the readers disagree; a model of the majority votes is too sure of itself.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from fastclf import LogisticRegression
from fastclf import functional as F
from fastclf.data import FrameEncoder

datasets = Path("../../../datasets")  # the folder in fastclf's repository
tones = ["positive", "neutral", "negative"]

messages = pd.read_csv(datasets / "votes.csv")
train, test = train_test_split(messages, test_size=200, random_state=0)
X_train, X_test = train.drop(columns=tones), test.drop(columns=tones)
votes_train, votes_test = train[tones].to_numpy(), test[tones].to_numpy()
print(messages.head(3).to_string(index=False))

# %%
# ``fit`` takes a distribution for each row, of shape (n, K), in place of n labels. The second model
# gets the class with most votes instead.

soft = make_pipeline(FrameEncoder(), LogisticRegression()).fit(X_train, votes_train)
hard = make_pipeline(FrameEncoder(), LogisticRegression()).fit(X_train, votes_train.argmax(axis=1))

# %%
# A distribution of three classes is a point in a triangle: a corner if all readers agree, the
# middle if each tone has a third of the votes. The colour is that of the most probable class. The
# model of shares keeps away from the corners, as the readers do; the model of majorities goes into
# them. The cross-entropy to the readers' votes measures this, for the 200 test rows.

colors = np.array(["#009e73", "#0072b2", "#d55e00"])
corners = np.array([[0, 0], [0.5, 0.87], [1, 0]])
panels = {
    "readers' votes": votes_test,
    "fitted to shares": soft.predict_proba(X_test),
    "fitted to majorities": hard.predict_proba(X_test),
}
fig, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained")
for ax, (title, P) in zip(axes, panels.items(), strict=True):
    ax.fill(*corners.T, facecolor="#f3f3f3", edgecolor="#666666")
    ax.scatter(*(P @ corners).T, s=10, color=colors[P.argmax(axis=1)])
    for (x, y), tone in zip(corners, tones, strict=True):
        ax.text(x, y + (0.04 if y else -0.11), tone, ha="center", fontsize=9)
    loss = F.cross_entropy(P, votes_test, from_logits=False)
    ax.set_title(f"{title}\ncross-entropy {loss:.2f}", pad=14)
    ax.set_aspect("equal")
    ax.axis("off")
plt.show()

# %%
# The first panel's cross-entropy is the entropy of the votes, the least that any prediction can
# have. The most probable class is right about as often with both models: soft labels improve
# probabilities rather than labels. :doc:`/experiments` says the same of real data.

majority = votes_test.argmax(axis=1)
for name, model in [("shares", soft), ("majorities", hard)]:
    P = model.predict_proba(X_test)
    print(f"{name:10s}  accuracy {np.mean(P.argmax(axis=1) == majority):.3f}")
