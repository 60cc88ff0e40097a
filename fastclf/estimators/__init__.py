"""The scikit-learn API: validate, encode, minimise, set the fitted attributes."""
