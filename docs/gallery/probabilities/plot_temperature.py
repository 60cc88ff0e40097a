"""
Softmax and temperature
=======================

A softmax turns logits into probabilities. A temperature divides the logits first: above 1 it makes
the probabilities more alike, below 1 it makes the largest one larger.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastclf import functional as F

logits = np.array([2.0, 1.0, 0.0, -1.0])
temperatures = np.geomspace(0.1, 20, 200)
P = np.stack([F.softmax(logits, temperature=T) for T in temperatures])

# %%
# At a low temperature nearly all probability goes to the class with the largest logit. At a high
# one all classes get nearly the same. The order of the classes never changes, so neither do
# predicted labels.

fig, ax = plt.subplots(layout="constrained")
ax.semilogx(temperatures, P, label=[f"logit {z:g}" for z in logits])
ax.axvline(1, color="#666666", linestyle=":", linewidth=1)
ax.axhline(1 / 4, color="#666666", linestyle=":", linewidth=1)
ax.set(xlabel="temperature", ylabel="probability", title="Probabilities of four classes")
ax.legend()
plt.show()

# %%
# The entropy measures how even the probabilities are: 0 if one class has all of it, and the
# logarithm of the number of classes if they are equal. Here it is in bits, so four equal classes
# have 2.

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.semilogx(temperatures, F.entropy(P, base=2))
ax.set(xlabel="temperature", ylabel="entropy (bits)", title="Entropy of the probabilities")
plt.show()

# %%
# ``F.soften`` does the same to probabilities whose logits aren't known.

p = F.softmax(logits)
print(F.soften(p, 2.0).round(3))
print(F.softmax(logits, temperature=2.0).round(3))
