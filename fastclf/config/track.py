"""The table of a recipe about a tracker of experiments."""

from typing import Annotated, Literal

from pydantic import Field

from fastclf.toml import Table


class TrackTable(Table):
    """``[track]``: send the recipe, the steps of the fit, the metrics and the files to a tracker.

    Attributes
    ----------
    to : {"mlflow"}
        The tracker.
    uri : str, optional
        The address of the tracker: a server, or a local store such as file:///home/me/mlruns. By
        default the tracker's own setting is used; for MLflow that is MLFLOW_TRACKING_URI.
    experiment : str
        The name of the experiment that the run belongs to.
    """

    to: Literal["mlflow"] = "mlflow"
    uri: Annotated[str, Field(min_length=1)] | None = None
    experiment: Annotated[str, Field(min_length=1)] = "fastclf"
