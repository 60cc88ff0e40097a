"""fastclf: fast training of linear classifiers on a CPU.

Public names are loaded on first use, so that ``import fastclf`` and ``fastclf --help`` stay quick.
"""

from typing import TYPE_CHECKING

from fastclf.late import loading

__version__ = "0.1.0"

_HOMES = {
    "LogisticRegression": "fastclf.estimators.logistic",
    "LogisticRegressionCV": "fastclf.estimators.cross_validated",
    "MultiLabelLogisticRegression": "fastclf.estimators.multilabel",
    "MultiLabelLogisticRegressionCV": "fastclf.estimators.multilabel_cross_validated",
    "DistilledClassifier": "fastclf.estimators.distilled",
    "TemperatureScaler": "fastclf.estimators.calibration",
    "LoadedClassifier": "fastclf.runs.loading",
    "load": "fastclf.runs.loading",
    "data": "fastclf.data",
    "functional": "fastclf.functional",
    "objective": "fastclf.objective",
    "preprocessing": "fastclf.preprocessing",
    "solvers": "fastclf.solvers",
}

__all__ = [
    "DistilledClassifier",
    "LoadedClassifier",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MultiLabelLogisticRegression",
    "MultiLabelLogisticRegressionCV",
    "TemperatureScaler",
    "__version__",
    "data",
    "functional",
    "load",
    "objective",
    "preprocessing",
    "solvers",
]

if TYPE_CHECKING:
    from fastclf import data, functional, objective, preprocessing, solvers
    from fastclf.estimators.calibration import TemperatureScaler
    from fastclf.estimators.cross_validated import LogisticRegressionCV
    from fastclf.estimators.distilled import DistilledClassifier
    from fastclf.estimators.logistic import LogisticRegression
    from fastclf.estimators.multilabel import MultiLabelLogisticRegression
    from fastclf.estimators.multilabel_cross_validated import MultiLabelLogisticRegressionCV
    from fastclf.runs.loading import LoadedClassifier, load


__getattr__ = loading("fastclf", _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
