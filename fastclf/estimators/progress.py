"""What ``verbose`` prints of a fit."""

import sys

from fastclf.solvers import Progress


def print_progress(progress: Progress) -> None:
    """Print a line for a step of a fit."""
    line = f"{progress.solver} {progress.iteration}/{progress.max_iter}"
    line += f"  objective {progress.objective:.6g}"
    if progress.gradient_norm is not None:
        line += f"  gradient {progress.gradient_norm:.2e}"
    if progress.validation_loss is not None:
        line += f"  validation {progress.validation_loss:.6g}"
    print(line, file=sys.stdout, flush=True)
