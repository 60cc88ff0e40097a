"""Recipes, data and runs that were damaged at random: they work, or one line says what is wrong."""

import json
import math
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fastclf.cli import main
from fastclf.config import load_recipe

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
CARDS = {path.stem: tomllib.loads(path.read_text()) for path in (ROOT / "datasets").glob("*.toml")}
FILES = {name: card["source"] for name, card in CARDS.items() if card["source"]["kind"] == "file"}

WORDS = [
    "true",
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "9999999999999999999999",
    "0.5",
    '""',
    '"x"',
    '"é\\u0000"',
    "[]",
    "[1, 'a']",
    "{}",
    "{a = 1}",
    "1979-05-27",
    '"../datasets/iris.toml"',
    "'''\n'''",
]
KEYS = ["sede", "C", "data", "model.C", "epochs", "class_weight", "name", "path", "target", "'a'"]
CELLS = [
    "",
    "?",
    "abc",
    "1e999",
    "-inf",
    "nan",
    '"',
    '"a,b"',
    "\x00",
    "é",
    "1;2",
    "0x10",
    "9" * 400,
]

NAMED = re.compile(
    r"recipe\.toml(:\d+)?: |(data|model|solver|distill|early_stopping)\.\w+|row \d+|column"
)

Change = Callable[[random.Random, list[str]], None]


def any_line(chance: random.Random, lines: list[str]) -> int:
    return chance.randrange(len(lines))


def other_value(chance: random.Random, lines: list[str]) -> None:
    places = [i for i, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    place = chance.choice(places)
    lines[place] = f"{lines[place].partition('=')[0]}= {chance.choice(WORDS)}"


def other_key(chance: random.Random, lines: list[str]) -> None:
    places = [i for i, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    place = chance.choice(places)
    lines[place] = f"{chance.choice(KEYS)} ={lines[place].partition('=')[2]}"


def new_line(chance: random.Random, lines: list[str]) -> None:
    lines.insert(any_line(chance, lines), f"{chance.choice(KEYS)} = {chance.choice(WORDS)}")


def new_table(chance: random.Random, lines: list[str]) -> None:
    table = chance.choice(["[data]", "[[model]]", "[solver.x]", "[early_stopping]", "[distill]"])
    lines.insert(any_line(chance, lines), table)


def lost_line(chance: random.Random, lines: list[str]) -> None:
    del lines[any_line(chance, lines)]


def twice(chance: random.Random, lines: list[str]) -> None:
    lines.insert(any_line(chance, lines), lines[any_line(chance, lines)])


def swapped(chance: random.Random, lines: list[str]) -> None:
    i, j = any_line(chance, lines), any_line(chance, lines)
    lines[i], lines[j] = lines[j], lines[i]


def other_character(chance: random.Random, lines: list[str]) -> None:
    place = any_line(chance, lines)
    line = lines[place] or " "
    at = chance.randrange(len(line))
    new = chance.choice(["", " ", '"', "=", "[", "]", ".", "é", "\x00", "\t", "0", "a"])
    lines[place] = line[:at] + new + line[at + chance.randrange(2) :]


RECIPE_CHANGES: list[Change] = [
    other_value,
    other_key,
    new_line,
    new_table,
    lost_line,
    twice,
    swapped,
    other_character,
]


def other_cell(chance: random.Random, lines: list[str]) -> None:
    place = any_line(chance, lines)
    cells = lines[place].split(",")
    cells[chance.randrange(len(cells))] = chance.choice(CELLS)
    lines[place] = ",".join(cells)


def other_width(chance: random.Random, lines: list[str]) -> None:
    place = any_line(chance, lines)
    lines[place] += chance.choice([",", ",1,2", " 7:1", " 2:x", ";a"])


def other_header(chance: random.Random, lines: list[str]) -> None:
    lines[0] = chance.choice(
        [lines[0][1:], lines[0].upper(), "a,a", "", "\ufeff" + lines[0], "1,2"]
    )


def cut(chance: random.Random, lines: list[str]) -> None:
    del lines[chance.randrange(len(lines)) :]


TEXT_CHANGES: list[Change] = [
    other_cell,
    other_width,
    other_header,
    cut,
    lost_line,
    twice,
    swapped,
    other_character,
]


def damaged_text(chance: random.Random, text: str, changes: list[Change]) -> str:
    lines = text.split("\n")
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        if len(lines) > 1:
            chance.choice(changes)(chance, lines)
    return "\n".join(lines)


def damaged_bytes(chance: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    kind = chance.randrange(4)
    if kind == 0:
        for _ in range(chance.choice([1, 10, 100])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    elif kind == 1:
        del damaged[chance.randrange(len(damaged)) :]
    elif kind == 2:
        start = chance.randrange(len(damaged))
        del damaged[start : start + chance.choice([1, 8, 500])]
    else:
        start = chance.randrange(len(damaged))
        damaged[start:start] = chance.randbytes(chance.choice([1, 8, 500]))
    return bytes(damaged)


def told(result: Result, context: str) -> str:
    """Return the one line that says what is wrong, or nothing where nothing is."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"a traceback: {context}") from result.exception
    assert result.exit_code in (0, 2), context
    if result.exit_code == 0:
        return ""
    *warnings, line = result.stderr.split("\n")[:-1]
    assert all(warning.startswith("warning: ") for warning in warnings), f"{context}: {line}"
    assert line.startswith("fastclf: error: "), context
    return line


def check_recipes(folder: Path, seeds: range) -> int:
    """Damage a recipe for each seed; return how many can't be used."""
    path = folder / "recipe.toml"
    wrong = 0
    for seed in seeds:
        chance = random.Random(seed)
        text = chance.choice(CONFIGS).read_text().replace("../datasets", str(ROOT / "datasets"))
        text = damaged_text(chance, text, RECIPE_CHANGES)
        path.write_text(text, encoding="utf-8", newline="")
        line = told(CliRunner().invoke(main, ["check", "--config", str(path)]), f"seed {seed}")
        if line:
            wrong += 1
            # A key may name another file, which is then what the line begins with.
            named = NAMED.search(line) or line.startswith("fastclf: error: /")
            assert named, f"seed {seed}: {line}"
    return wrong


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_damaged_recipes(start: int, tmp_path: Path):
    assert check_recipes(tmp_path, range(start, start + 50)) > 20


@pytest.mark.slow
def test_many_damaged_recipes(tmp_path: Path):
    assert check_recipes(tmp_path, range(300, 5000)) > 2000


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A recipe and a finished run for each file."""
    folder = tmp_path_factory.mktemp("runs")
    for name, source in FILES.items():
        lines = ["[data]", f'path = "{ROOT / "datasets" / source["path"]}"']
        for key, value in source.items():
            if key not in ("kind", "path", "sha256"):
                lines.append(f"{key} = {value!r}".replace("True", "true").replace("False", "false"))
        (folder / f"{name}.toml").write_text("\n".join(lines) + "\n")
        arguments = ["train", "--config", str(folder / f"{name}.toml"), "--out", str(folder / name)]
        result = CliRunner().invoke(main, [*arguments, "-q"])
        assert result.exit_code == 0, result.stderr
    return folder


def check_files(runs: Path, folder: Path, seeds: range) -> int:
    wrong = 0
    for seed in seeds:
        chance = random.Random(seed)
        name = chance.choice(sorted(FILES))
        content = (ROOT / "datasets" / FILES[name]["path"]).read_bytes()
        path = folder / f"damaged{Path(FILES[name]['path']).suffix}"
        is_text = path.suffix in (".csv", ".svm") and chance.random() < 0.8
        if is_text:
            content = damaged_text(chance, content.decode(), TEXT_CHANGES).encode()
        else:
            content = damaged_bytes(chance, content)
        path.write_bytes(content)
        recipe = str(runs / f"{name}.toml")
        for arguments in (
            ["check", "--config", recipe, "--set", f"data.path={path}"],
            ["evaluate", str(runs / name), "--data", str(path)],
            ["predict", str(runs / name), str(path), "-o", str(folder / "out.npz"), "-q"],
        ):
            line = told(CliRunner().invoke(main, arguments), f"seed {seed}: {arguments[0]} {name}")
            if line:
                wrong += 1
                named = NAMED.search(line) or path.name in line or "damaged:" in line
                assert named, f"seed {seed}: {line}"
    return wrong


@pytest.mark.parametrize("start", range(0, 100, 25))
def test_damaged_files(start: int, runs: Path, tmp_path: Path):
    assert check_files(runs, tmp_path, range(start, start + 25)) > 10


@pytest.mark.slow
def test_many_damaged_files(runs: Path, tmp_path: Path):
    assert check_files(runs, tmp_path, range(100, 2000)) > 200


def check_columns(folder: Path, start: int, stop: int) -> int:
    script = Path(__file__).parents[1] / "helpers/damaged_columns.py"
    command = [sys.executable, str(script), str(folder), str(start), str(stop)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-3000:]}"
    return int(done.stdout)


def test_damaged_columnar_files_never_crash(tmp_path: Path):
    assert check_columns(tmp_path, 0, 60) > 20


@pytest.mark.slow
def test_many_damaged_columnar_files(tmp_path: Path):
    assert check_columns(tmp_path, 60, 6000) > 2000


VALUES: list[Any] = [
    *(None, True, -1, 0, 0.5, 10**400, math.nan, math.inf, "", "x\x1b[31m\x00", "\ud800"),
    *([], [1, "a"], {}, {"a": 1}, [[]], "9" * 400),
]


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the keys of all that JSON holds, however deep."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [where, *(place for key, item in inner for place in places(item, (*where, key)))]


def damaged_json(chance: random.Random, text: str) -> str:
    """Return JSON with some of its values changed, moved or left out."""
    whole = [json.loads(text)]
    for _ in range(chance.choice([1, 1, 2, 4])):
        *way, last = chance.choice(places(whole)[1:])
        table: Any = whole
        for key in way:
            table = table[key]
        kind = chance.randrange(6)
        if kind == 0 and way:
            del table[last]
        elif kind == 1 and isinstance(table, dict):
            table[chance.choice([*table, "more", "n_train", "metrics"])] = table.pop(last)
        elif kind == 2:
            place = chance.choice(places(whole))
            other: Any = whole
            for key in place:
                other = other[key]
            table[last] = json.loads(json.dumps(other))
        else:
            table[last] = chance.choice(VALUES)
    return json.dumps(whole[0])


def damaged_lines(chance: random.Random, text: str) -> str:
    lines = text.splitlines()
    place = chance.randrange(len(lines))
    lines[place] = damaged_json(chance, lines[place])
    return "\n".join(lines) + "\n"


def damaged_model(chance: random.Random, content: bytes) -> bytes:
    """Return a model file whose JSON or whose arrays have changed, or any of its bytes."""
    kind = chance.randrange(3)
    if kind == 0:
        return damaged_bytes(chance, content)
    size = int.from_bytes(content[:8], "little")
    header, arrays = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    if kind == 1:
        told = header["__metadata__"]["fastclf"]
        header["__metadata__"]["fastclf"] = damaged_json(chance, told)
    else:
        for _ in range(chance.choice([1, 4, 40])):
            start = chance.randrange(len(arrays) // 8) * 8
            number = chance.choice([math.nan, math.inf, 0.0, -1e300, 1e300, 5e-324])
            arrays[start : start + 8] = np.float64(number).tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(arrays)


COMMANDS: dict[str, list[list[str]]] = {
    "summary.json": [
        ["compare", "{run}", "{run}"],
        ["compare", "{run}", "--json"],
        ["report", "{run}", "-o", "{run}/page.html"],
        ["train", "--resume", "{run}"],
        ["evaluate", "{run}"],
    ],
    "evaluation.json": [
        ["report", "{run}", "-o", "{run}/page.html"],
        ["compare", "{run}", "{run}", "--html", "{run}/page.html"],
    ],
    "model.safetensors": [
        ["predict", "{run}", "{data}", "-q"],
        ["report", "{run}", "-o", "{run}/page.html"],
    ],
}
COMMANDS["metrics.jsonl"] = COMMANDS["evaluation.json"]


def check_runs(runs: Path, folder: Path, name: str, seeds: range) -> int:
    """Damage a file of a run for each seed; return how many commands refuse it."""
    wrong = 0
    for seed in seeds:
        chance = random.Random(f"{name} {seed}")
        data = chance.choice(sorted(FILES))
        run = folder / "run"
        shutil.copytree(runs / data, run)
        content = (run / name).read_bytes()
        if name == "model.safetensors":
            content = damaged_model(chance, content)
        elif chance.random() < 0.1:
            content = damaged_bytes(chance, content)
        elif name == "metrics.jsonl":
            content = damaged_lines(chance, content.decode()).encode()
        else:
            content = damaged_json(chance, content.decode()).encode()
        (run / name).write_bytes(content)
        for words in COMMANDS[name]:
            arguments = [
                word.format(run=run, data=ROOT / "datasets" / FILES[data]["path"]) for word in words
            ]
            done = CliRunner().invoke(main, arguments)
            line = told(done, f"{name} of {data}, seed {seed}: {arguments[0]}")
            assert "\x1b" not in done.stdout or words[0] == "predict"
            wrong += bool(line)
            named = str(run) in line or words[0] == "predict" and arguments[2] in line
            assert not line or named, f"{name}, seed {seed}: {line}"
        shutil.rmtree(run)
    return wrong


@pytest.mark.parametrize("name", COMMANDS)
def test_damaged_runs(name: str, runs: Path, tmp_path: Path):
    assert check_runs(runs, tmp_path, name, range(12)) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_many_damaged_runs(name: str, runs: Path, tmp_path: Path):
    assert check_runs(runs, tmp_path, name, range(12, 500)) > 50


def test_the_recipes_that_are_damaged_were_right():
    assert all(load_recipe(path) for path in CONFIGS)
