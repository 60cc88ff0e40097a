"""The command line: ``fastclf`` and ``python -m fastclf``."""

from fastclf.cli.commands import main

__all__ = ["main"]
