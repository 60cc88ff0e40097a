"""The command line: ``fastclf`` and ``python -m fastclf``."""

from fastclf.cli import export, results, tools, training
from fastclf.cli.group import main

__all__ = ["export", "main", "results", "tools", "training"]
