"""Text that is a missing value in formats that have no other."""

NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
