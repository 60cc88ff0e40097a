"""Scikit-learn's own checks of estimators, none expected to fail."""

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastclf
from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
    TemperatureScaler,
    solvers,
)
from fastclf.estimators.choice import SOLVERS
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal

WHOLE = [
    LogisticRegression(),
    LogisticRegression(l1_ratio=0.5),
    LogisticRegression(solver="adam"),
    LogisticRegressionCV(Cs=3, cv=3),
    MultiLabelLogisticRegression(),
    MultiLabelLogisticRegressionCV(Cs=3, cv=3),
    DistilledClassifier(ScikitLearn()),
    TemperatureScaler(LogisticRegression(tol=1e-10), cv=3),
]
"""Each estimator, and each of the three ways in which its fit can go, for all checks."""

OTHERS = [
    *(LogisticRegression(solver=name) for name in SOLVERS if name not in ("auto", "adam")),
    *(LogisticRegression(solver=solver) for solver in (Newton(), Newton(whole=False), LBFGS())),
    *(LogisticRegression(solver=solver) for solver in (SGD(), Adam(), AdamW())),
    LogisticRegression(solver=Proximal()),
    LogisticRegressionCV(Cs=2, cv=3, l1_ratios=(0.0, 1.0)),
    MultiLabelLogisticRegression(l1_ratio=1.0),
    MultiLabelLogisticRegression(solver="lbfgs"),
    MultiLabelLogisticRegression(solver="adam"),
    MultiLabelLogisticRegressionCV(Cs=3, cv=3, per_label=True),
    DistilledClassifier(GaussianNB()),
    TemperatureScaler(GaussianNB(), cv=3),
]
"""Other values of their parameters, for the checks of what a fit gives."""

ESTIMATORS = [*WHOLE, *OTHERS]
OF_A_FIT = {
    "check_array_api_input",
    "check_class_weight_classifiers",
    "check_classifier_not_supporting_multiclass",
    "check_classifiers_classes",
    "check_classifiers_multilabel_representation_invariance",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_decision_proba_consistency",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_estimator_sparse_array",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_get_params_invariance",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in_after_fitting",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_readonly_memmap_input",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
    "check_sample_weights_not_overwritten",
    "check_sparsify_coefficients",
}
"""Checks whose outcome may depend on the solver, or on how a parameter is stored."""


def of_a_fit() -> pytest.MarkDecorator:
    """Return a mark with the checks of OTHERS; those that are not of a fit are slow."""
    every = parametrize_with_checks(OTHERS)
    cases = [
        pytest.param(*case, marks=() if case[1].func.__name__ in OF_A_FIT else pytest.mark.slow)
        for case in every.args[1]
    ]
    return pytest.mark.parametrize(every.args[0], cases, **every.kwargs)


@pytest.mark.filterwarnings("ignore")  # the checks fit to noise, with few iterations
@parametrize_with_checks(WHOLE)
def test_scikit_learn(estimator: Any, check: Any):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@of_a_fit()
def test_scikit_learn_on_other_parameters(estimator: Any, check: Any):
    check(estimator)


def test_every_check_of_a_fit_is_one():
    pytest.importorskip("sklearn", "1.9", reason="the names are those of that version")
    assert OF_A_FIT <= {
        case[1].func.__name__ for case in parametrize_with_checks(ESTIMATORS).args[1]
    }


def test_every_estimator_and_every_kind_of_solver_is_covered():
    public = {
        value for name in fastclf.__all__ if isinstance(value := getattr(fastclf, name), type)
    }
    public.remove(fastclf.LoadedClassifier)  # it can't be fitted
    assert {type(estimator) for estimator in ESTIMATORS} == public
    kinds = {
        value
        for name in solvers.__all__
        if isinstance(value := getattr(solvers, name), type) and hasattr(value, "init")
    }
    objects = {e.solver for e in ESTIMATORS if isinstance(e, LogisticRegression)}
    assert {type(solver) for solver in objects if not isinstance(solver, str)} == kinds
