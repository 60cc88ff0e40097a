"""
Softmax and temperature
=======================

A temperature divides the logits: above 1 it flattens the softmax, below 1 it sharpens it.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastclf import functional as F

logits = np.array([2.0, 1.0, 0.0])
temperatures = np.geomspace(0.1, 10, 200)
P = np.stack([F.softmax(logits, temperature=t) for t in temperatures])
plt.semilogx(temperatures, P)
