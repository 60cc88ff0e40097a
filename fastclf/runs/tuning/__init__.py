"""The search for a recipe's best keys: what is tried, on which folds, and what is chosen."""
