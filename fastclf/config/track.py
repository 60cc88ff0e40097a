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
        Where it is: the address of a server, or of a local store such as file:///home/me/mlruns; by
        default as the tracker is set up, for MLflow by MLFLOW_TRACKING_URI.
    experiment : str
        The experiment that the run becomes a part of.
    """

    to: Literal["mlflow"] = "mlflow"
    uri: Annotated[str, Field(min_length=1)] | None = None
    experiment: Annotated[str, Field(min_length=1)] = "fastclf"
