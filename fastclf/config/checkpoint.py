"""The table of a recipe that says how often a run keeps where its fit stands."""

from fastclf.config.fields import AtLeast0, Count
from fastclf.toml import Table


class CheckpointTable(Table):
    """``[checkpoint]``: how often a run keeps where its fit stands, to go on from there.

    Attributes
    ----------
    every_seconds : float
        After how many seconds a checkpoint is written, at the next iteration or slice of an epoch;
        later where that would take more than a fiftieth of the time. 0 writes one after each.
    every_epochs : int, optional
        After how many epochs or iterations one is written in any case.
    keep : int
        How many of the last checkpoints are kept; the best one is, too.
    """

    every_seconds: AtLeast0 = 10.0
    every_epochs: Count | None = None
    keep: Count = 2
