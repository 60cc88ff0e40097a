"""Running commands as a user who may only read some files.

The superuser may write everywhere, so tests that run as root give the files to another user and
run the command without the superuser's capabilities. The user stays the same, because another one
may not even read the interpreter, or the folders that pytest makes.
"""

import os
import shutil
import stat
from pathlib import Path

import pytest

IS_ROOT = os.name == "posix" and os.geteuid() == 0
NOBODY = 65534

_READ = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_SEARCH = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def only_reads() -> list[str]:
    """Return what to put before a command, so that it has no rights but those of files' modes."""
    if not IS_ROOT:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is needed to give up the rights of the superuser")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def make_read_only(folder: Path) -> None:
    """Leave no more than reading to everyone; if we are the superuser, as files of another user."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        path.chmod(_READ | _SEARCH if path.is_dir() or mode & stat.S_IXUSR else _READ)
        if IS_ROOT:
            os.chown(path, NOBODY, NOBODY)
