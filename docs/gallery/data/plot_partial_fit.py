"""
Rows that arrive over time
==========================

``partial_fit`` trains on a batch of rows, which needn't be kept. Here the classes drift: a model
that goes on learning follows them, and one that was fitted once becomes worse.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastclf import LogisticRegression
from fastclf import functional as F
from fastclf.solvers import Adam

rng = np.random.default_rng(0)


def batch(time, n=200):
    """Return rows whose class depends on a direction that turns with time."""
    X = rng.normal(size=(n, 2))
    direction = np.array([np.cos(time / 15), np.sin(time / 15)])
    return X, rng.random(n) < F.sigmoid(4 * X @ direction)


# %%
# Each batch is first predicted and then learned, so the scores are of rows that the model hasn't
# seen. ``classes`` names all classes there will be, in the first call.

online = LogisticRegression(solver=Adam(batch_size=20), random_state=0)
once = LogisticRegression().fit(*batch(0, n=1000))
online.partial_fit(*batch(0), classes=[False, True])

times = np.arange(1, 61)
scores = {"partial_fit": [], "fitted once": []}
for time in times:
    X, y = batch(time)
    scores["partial_fit"].append(online.score(X, y))
    scores["fitted once"].append(once.score(X, y))
    online.partial_fit(X, y)

# %%
# The direction turns by 180° in 47 batches. The model that was fitted once is then wrong about most
# rows.

fig, ax = plt.subplots(layout="constrained")
for name, values in scores.items():
    ax.plot(times, values, label=name)
ax.set(
    xlabel="batch of 200 rows",
    ylabel="accuracy before learning it",
    title="Classes that drift",
    ylim=(0, 1),
)
ax.legend(loc="lower left")
plt.show()
