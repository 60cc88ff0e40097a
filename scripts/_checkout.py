"""Copies of this checkout and of commits, which scripts can change freely."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def git(*words: str) -> bytes:
    """Return the output of a git command; if it fails, exit with its message."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.decode().strip()}")
    return done.stdout


def take_out(revision: str, folder: Path) -> str:
    """Write the files of a commit to a new folder; return the commit's hash."""
    commit = git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=git("archive", commit), check=True)
    return commit


def copy_here(folder: Path) -> str:
    """Copy this checkout's files, except those that git ignores.

    Returns
    -------
    str
        The hash of HEAD, followed by " with changes" if there are uncommitted ones.
    """
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode()
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    changed = " with changes" if git("status", "--porcelain").strip() else ""
    return git("rev-parse", "HEAD").decode().strip() + changed
