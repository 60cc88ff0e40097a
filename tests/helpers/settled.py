"""LogisticRegressionCV, less the defaults that change with the installed scikit-learn."""

from functools import partial

import fastclf

SETTLED = {"l1_ratios": (0.0,), "scoring": None, "use_legacy_attributes": False}
LogisticRegressionCV = partial(fastclf.LogisticRegressionCV, **SETTLED)
