"""One training run: recipe, data, fit, evaluation and the directory that keeps them."""
