"""Products of rows of X with the coefficients, and back."""
