"""Losses on rows of logits: values, slopes and curvatures."""
