"""HTML pages about runs, rendered from plain data. Each page is one file that needs no network.

The only file that this package reads is its own style sheet; it writes none.
"""
