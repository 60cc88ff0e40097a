"""The table of a recipe about checkpoints."""

from fastclf.config.fields import AtLeast0, Count
from fastclf.toml import Table


class CheckpointTable(Table):
    """``[checkpoint]``: how often the state of the fit is saved, from which a run can resume.

    Attributes
    ----------
    every_seconds : float
        Seconds between checkpoints. A checkpoint is written after the next iteration, or the next
        slice of an epoch (some of its batches); later if writing would take more than 2 % of the
        run's time. 0 writes one after each iteration or slice.
    every_epochs : int, optional
        Number of epochs or iterations after which a checkpoint is written in any case.
    keep : int
        Number of the latest checkpoints to keep, besides the best one.
    """

    every_seconds: AtLeast0 = 10.0
    every_epochs: Count | None = None
    keep: Count = 2
