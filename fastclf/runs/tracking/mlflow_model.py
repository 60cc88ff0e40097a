"""The code of a model in MLflow's format, which MLflow runs to load it; it isn't to be imported."""

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

import fastclf


class Classifier(PythonModel):
    """A fastclf model, whose predictions are a frame: the label and the probabilities of a row."""

    # MLflow would take type hints for a schema of the rows.

    def load_context(self, context):
        """Load the model file."""
        self._model = fastclf.load(context.artifacts["model"])

    def predict(self, context, model_input, params=None):
        """Return the predictions for a frame of raw columns."""
        names = [f"probability_{name}" for name in np.asarray(self._model.classes_).tolist()]
        found = pd.DataFrame(self._model.predict_proba(model_input), columns=names)
        predicted = self._model.predict(model_input)
        if predicted.ndim == 1:
            found.insert(0, "label", predicted)
        return found


set_model(Classifier())
