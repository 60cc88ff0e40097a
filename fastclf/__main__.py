"""``python -m fastclf``: the command line."""

from fastclf.cli import main

main(prog_name="fastclf")
