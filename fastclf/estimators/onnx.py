"""What skl2onnx, scikit-learn's ONNX converter, is told about these classes.

Its converter of linear classifiers gives two classes a sigmoid only where ``isinstance(model,
sklearn.linear_model.LogisticRegression)`` holds. Any other class that is registered for it gets the
softmax of -z and z, which is σ(2z), and labels get the softmax over them: wrong probabilities, in
silence. It asks a model's ``onnx_converter`` before it takes a registered converter, but after
``custom_conversion_functions``.
"""

from typing import Any, NoReturn

from sklearn.utils.metaestimators import available_if

from fastclf.errors import InputError


def _would_be_wrong(estimator: Any) -> bool:
    # Three and more classes have the softmax that the converter gives them.
    model = getattr(estimator, "student_", estimator)
    return not hasattr(model, "classes_") or model._task() != "multiclass"


def _onnx_converter(self: Any) -> NoReturn:
    """Refuse to be converted by skl2onnx, which would give other probabilities.

    It is there for two classes and for several labels; skl2onnx asks for it.

    Raises
    ------
    ValueError
        That says what to convert instead.
    """
    name = type(self).__name__
    raise InputError(
        "skl2onnx's converter of linear classifiers knows the sigmoid by scikit-learn's own class "
        f"alone, and would give wrong probabilities for {name}: σ(2z) for two classes, a softmax "
        "for several labels. Convert a sklearn.linear_model.LogisticRegression with the same "
        "coef_, intercept_, classes_ and n_features_in_, one for each label; or pass a converter "
        "of your own in custom_conversion_functions"
    )


_onnx_converter.__name__ = "onnx_converter"
refusal: Any = available_if(_would_be_wrong)(_onnx_converter)
