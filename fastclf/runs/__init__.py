"""Training runs: from a recipe to a run directory with the model, its metrics and its report."""
