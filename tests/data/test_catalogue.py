"""The list of data sets that recipes can name."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastclf.cli import main
from fastclf.data import BUILT_IN, FETCHED, GENERATORS
from fastclf.data.catalogue import find_datasets
from fastclf.errors import DataError

CARDS = Path(__file__).parents[2] / "datasets"


def test_built_in_sets_generators_and_cards_are_found():
    entries, problems = find_datasets(CARDS)
    assert problems == []
    by_kind = {
        kind: [entry for entry in entries if entry.kind == kind]
        for kind in ("built-in", "fetched", "generator", "card")
    }
    assert [entry.name for entry in by_kind["built-in"]] == list(BUILT_IN)
    assert [entry.name for entry in by_kind["fetched"]] == [*FETCHED, "openml:NAME"]
    assert [entry.name for entry in by_kind["generator"]] == list(GENERATORS)
    for entry in by_kind["built-in"]:
        bunch = BUILT_IN[entry.name]()
        assert (entry.n_rows, entry.n_features) == bunch.data.shape
        classes = ", ".join(sorted(map(str, bunch.target_names)))
        assert entry.target in (classes, f"{len(bunch.target_names)} {entry.target.split()[-1]}")
    assert [Path(entry.name) for entry in by_kind["card"]] == sorted(CARDS.glob("*.toml"))
    assert all(entry.description and entry.recipe for entry in entries)
    assert all(entry.card is not None for entry in by_kind["card"])
    assert json.loads(json.dumps([entry.as_json() for entry in entries]))


def test_the_default_folder_need_not_be_there(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {entry.kind for entry in find_datasets()[0]} == {"built-in", "fetched", "generator"}
    (tmp_path / "datasets").symlink_to(CARDS)
    assert "card" in {entry.kind for entry in find_datasets()[0]}


def test_a_folder_that_is_named_must_be_there(tmp_path: Path):
    with pytest.raises(DataError, match="no such folder"):
        find_datasets(tmp_path / "cards")


def test_a_file_that_is_no_card_is_one_line(tmp_path: Path):
    (tmp_path / "notes.toml").write_text("nmae = 'x'\n")
    entries, (problem,) = find_datasets(tmp_path)
    assert "card" not in {entry.kind for entry in entries}
    assert "notes.toml:1: unknown key nmae (did you mean name?)" in problem


def test_the_listing_fits_a_terminal_and_shows_the_target(monkeypatch):
    monkeypatch.chdir(CARDS.parent)
    shown = CliRunner().invoke(main, ["datasets", "datasets"]).stdout
    assert max(map(len, shown.splitlines())) <= 80
    loans = next(line for line in shown.splitlines() if "loans.toml" in line)
    assert loans.split()[1:] == ["800", "7", "approved:", "no,", "yes"]
    assert "Applications for loans" in shown and "licence" not in shown
    shown = CliRunner().invoke(main, ["datasets", "datasets", "--verbose"]).stdout
    assert '[data] name = "iris"' in shown and "licence: " in shown
