"""The Dockerfile's steps, done without Docker: another user's first fit compiles nothing."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import other_user
import pytest

from fastclf.cli import main
from fastclf.kernels.runtime import levels
from fastclf.runs.warmup import available_levels

ROOT = Path(__file__).parents[2]
V3 = "x86-64-v3"
RECIPE = '[data]\nname = "iris"\n'


def steps(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with what follows it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


STEPS = steps((ROOT / "docs" / "Dockerfile").read_text())


def values(instruction: str) -> list[str]:
    return [value for name, value in STEPS if name == instruction]


def test_the_commands_are_those_of_fastclf():
    commands = [shlex.split(value) for value in values("RUN")]
    commands += [json.loads(value) for value in values("CMD")]
    ours = [words[1:] for words in commands if words[0] == "fastclf"]
    assert [words[0] for words in ours] == ["warmup", "doctor"]
    for name, *options in ours:
        main.commands[name].make_context(name, options)  # raises if it has no such option


def test_the_kernels_are_read_where_they_are_written():
    (warmup,) = (shlex.split(value) for value in values("RUN") if "warmup" in value)
    assert values("ENV") == [f"FASTCLF_KERNELS={warmup[warmup.index('--into') + 1]}"]
    assert "--portable" in warmup


def test_all_is_copied_that_the_package_is_built_from():
    copied = {source for value in values("COPY") for source in shlex.split(value)[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {"pyproject.toml", "hatch_build.py", project["project"]["readme"]}
    needed |= set(project["project"]["license-files"])
    assert copied == needed | set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert all((ROOT / name).exists() for name in copied)


def test_it_runs_as_a_user_who_writes_nothing():
    names = [name for name, _ in STEPS]
    assert values("USER") == ["nobody"]
    assert {"RUN", "COPY"}.isdisjoint(names[names.index("USER") :])


class Image:
    """A folder that stands for the root of an image, in which the steps have been done.

    Parameters
    ----------
    root : Path
    recipe : Path
        Only the kernels that it needs are compiled, to save time.
    host : dict
        Environment variables that simulate the building host's processor.
    """

    def __init__(self, root: Path, recipe: Path, host: dict[str, str]) -> None:
        self.root, self.recipe = root, recipe
        self.environment: dict[str, str] = {}
        for name, value in STEPS:
            if name == "USER":
                break
            match name:
                case "FROM":
                    self._begin()
                case "COPY":
                    self._copy(value)
                case "ENV":
                    self.environment |= [value.split("=", 1)]
                case "RUN":
                    self._run(value, host)
                case _:
                    raise AssertionError(f"no step of this kind is known: {name}")

    def of(self, text: str) -> str:
        """Return a command or a path with the image's folders in place of those of the system."""
        return re.sub(r"(?<![\w/])/(src|opt)\b", rf"{self.root}/\1", text)

    def call(self, command: list[str], **more: str) -> subprocess.CompletedProcess:
        """Run a command in the image."""
        ours = ("FASTCLF_", "NUMBA_", "PYTHON", "XDG_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        environment |= {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"}
        environment |= {name: self.of(value) for name, value in self.environment.items()} | more
        done = subprocess.run(
            command, env=environment, cwd=self.recipe.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done

    def _begin(self) -> None:
        venv.create(self.root, symlinks=True)
        (self.packages / "dependencies.pth").write_text(
            "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
        )

    @property
    def packages(self) -> Path:
        (found,) = self.root.glob("lib/python*/site-packages")
        return found

    def _copy(self, value: str) -> None:
        *sources, target = shlex.split(value)
        for source in sources:
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "_compiled")
                shutil.copytree(ROOT / source, self.of(target), ignore=ignored)
            else:
                Path(self.of(target)).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, self.of(target))

    def _run(self, command: str, host: dict[str, str]) -> None:
        if command.startswith("pip install"):
            self._install(self.of(shlex.split(command)[-1]))
            return
        command = self.of(command)
        if " warmup " in command:
            command += f" --config {self.recipe}"
        self.call(["sh", "-e", "-c", command], **host)

    def _install(self, source: str) -> None:
        # What pip does, without a network: the wheel is the package as it is, and a script.
        shutil.copytree(Path(source) / "fastclf", self.packages / "fastclf")
        script = self.root / "bin" / "fastclf"
        script.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m fastclf "$@"\n')
        script.chmod(0o755)


FIT = """
import os, sys
import fastclf
from fastclf.cli import main
from fastclf.kernels.loss import softmax
from fastclf.kernels.runtime import bundles, obtained
image, *arguments = sys.argv[1:]
assert fastclf.__file__.startswith(image), fastclf.__file__
assert not os.access(fastclf.__file__, os.W_OK) and not os.access(bundles.folder(), os.W_OK)
assert softmax.softmax.stats.cache_path is None
main(arguments, standalone_mode=False)
print(bundles.serving().level.name, obtained.so_far().compiled, obtained.so_far().bundle)
"""

OTHER_V3 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": ",".join(f"+{one}" for one in sorted(levels.by_name(V3).features)),
}
"""A processor of level x86-64-v3, which isn't that of this machine."""


@pytest.fixture(scope="module", params=[{}, OTHER_V3], ids=["built here", "built on v3"])
def image(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Image, list[str]]]:
    """The image, which another user may only read, and the levels of its kernels."""
    if V3 not in available_levels():
        pytest.skip("needs x86-64-v3")
    folder = tmp_path_factory.mktemp("image")
    recipe = folder / "iris.toml"
    recipe.write_text(RECIPE)
    built = Image(folder / "built", recipe, request.param)
    built.root = built.root.rename(folder / "moved")  # no file needs to stay where it was made
    built.environment["HOME"] = str(built.root / "nowhere")
    other_user.make_read_only(built.root)
    yield built, [V3] if request.param else available_levels()
    subprocess.run(["chmod", "-R", "u+w", built.root], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "host", [{}, OTHER_V3, levels.by_name(V3).environment], ids=["here", "haswell", "v3"]
)
def test_the_first_fit_of_another_user_compiles_nothing(
    host: dict[str, str], image: tuple[Image, list[str]], tmp_path: Path
):
    built, compiled_for = image
    train = ["train", "-q", "--config", str(built.recipe), "--out", str(tmp_path / "run")]
    python = [*other_user.only_reads(), "python", "-c", FIT, str(built.root)]
    level, compiled, loaded = built.call([*python, *train], **host).stdout.split()[-3:]
    assert (level, compiled) == (V3 if host else compiled_for[0], "0")
    assert int(loaded) > 20
    assert (tmp_path / "run" / "summary.json").is_file()


@pytest.mark.slow
def test_the_image_tells_by_itself_where_its_kernels_come_from(image: tuple[Image, list[str]]):
    built, compiled_for = image
    (command,) = values("CMD")
    done = built.call([*other_user.only_reads(), *json.loads(command), "--json"])
    found = json.loads(done.stdout)
    assert (found["fit"]["compiled"], found["bundle"]["level"]) == (0, compiled_for[0])
    assert found["fit"]["bundle"] > 10 and found["bundle"]["others"] == 0
