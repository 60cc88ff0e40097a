"""The command line: ``fastclf`` and ``python -m fastclf``."""

from fastclf.cli import results, tools, training
from fastclf.cli.group import main

__all__ = ["main", "results", "tools", "training"]
