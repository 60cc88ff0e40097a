"""Pages that show runs: from plain data to one HTML file with its figures, which needs no network.

Nothing here reads or writes files, apart from the style sheet beside it.
"""
