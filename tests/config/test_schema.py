"""What tables tell of themselves: descriptions that leave nothing out, and a schema that agrees."""

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fastclf.config import LogRange, Range, Recipe, recipe_schema
from fastclf.schema import allowed_values, descriptions, json_schema
from fastclf.toml import Table, tables_in

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
TABLES = [Recipe, LogRange, Range] + [
    table for info in Recipe.model_fields.values() for table in tables_in(info.annotation)
]


class Base(Table):
    """A base.

    Attributes
    ----------
    first, second : int
        Of the base,
        in two lines.

    Notes
    -----
    third : int
        Nothing to see.
    """

    first: int = 0
    second: int = 0


class Derived(Base):
    """Derived.

    Attributes
    ----------
    second : int
        Its own.
    """

    third: int = 0


def test_descriptions_are_inherited_and_replaced():
    assert descriptions(Derived) == {"first": "Of the base, in two lines.", "second": "Its own."}


def test_a_table_without_a_section_has_no_descriptions():
    assert descriptions(Table) == {}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_of_a_recipe_is_described(table: type[Table]):
    assert descriptions(table).keys() == table.model_fields.keys()


def test_every_key_has_words_for_its_values():
    for table in TABLES:
        assert allowed_values(table).keys() == table.model_fields.keys()
    values = {
        f"{table.__name__}.{key}": words
        for table in TABLES
        for key, words in allowed_values(table).items()
    }
    assert values["Recipe.seed"] == "a whole number from 0 to 4294967295"
    assert values["DataTable.test_size"] == "a number from 0 to below 1"
    assert values["DataTable.decimal"] == '"." or ","'
    assert values["DataTable.target"] == "text, a whole number or a list of text or whole numbers"
    assert values["NewtonSolver.whole"] == "true or false"
    assert values["SGDSolver.epochs"] == "a whole number of at least 1"
    assert values["EarlyStoppingTable.validation_fraction"] == "a number above 0 and below 1"
    assert values["SingleLabelModel.class_weight"] == '"balanced" or a table of numbers above 0'


def test_the_schema_describes_every_table():
    schema = json_schema(Derived)
    assert schema["description"] == "Derived."
    assert schema["properties"]["first"]["description"] == "Of the base, in two lines."
    assert recipe_schema()["$defs"].keys() == {table.__name__ for table in TABLES} - {"Recipe"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path: Path):
    Draft202012Validator(recipe_schema()).validate(tomllib.loads(path.read_text()))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"data": {"name": "iris", "test_sise": 0.2}},
        {"data": {"name": "iris"}, "model": {"kind": "logistic", "threshold": 0.5}},
        {"data": {"name": "iris"}, "solver": {"name": "sgd", "epochs": 0}},
        {"data": {"name": "iris"}, "tune": {"C": {"low": 1.0}}},
        {"data": {"name": "iris"}, "tune": {"solver.batch_size": {"low": 1}}},
    ],
)
def test_what_is_wrong_is_invalid(wrong: dict):
    schema = json.loads(json.dumps(recipe_schema()))
    Draft202012Validator.check_schema(schema)
    assert not Draft202012Validator(schema).is_valid(wrong)
