"""Cards, bundled data and scaling."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fastclf.data import fit_scaling, load_built_in, load_card, read_card
from fastclf.errors import DataError

CARDS = sorted((Path(__file__).parents[2] / "datasets").glob("*.toml"))

CARD = """\
name = "toy"
description = "a toy"
task = "binary"
licence = "CC0-1.0"
origin = "generated"
n_rows = 30
n_features = 2
classes = ["no", "yes"]

[source]
kind = "generated"
generator = "blobs"
parameters = {n_samples = 30, centers = 2}
"""


@pytest.fixture
def card_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(CARD)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        load_card(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_shipped_cards_describe_their_data(path: Path):
    dataset = load_card(path)  # compares every fact in the card with the data
    assert dataset.name == path.stem
    assert len(dataset.feature_names) == dataset.features.shape[1]
    assert read_card(path).licence in {"CC-BY-4.0", "CC0-1.0"}
    assert dataset.fingerprint() == load_card(path).fingerprint()


def test_labels_are_the_names_of_the_source(card_file: Path):
    assert set(load_card(card_file).y) == {"no", "yes"}
    assert load_built_in("digits").y.dtype.kind == "i"
    assert load_built_in("iris").class_names == ("setosa", "versicolor", "virginica")
    assert load_built_in("breast_cancer").task == "binary"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n_rows = 30", "n_rows = 31", "the card says n_rows = 31, but the data have 30"),
        ("n_features = 2", "n_features = 3", "the card says n_features = 3"),
        ('"binary"', '"multiclass"', "the card says task = multiclass, but the data have binary"),
        ('["no", "yes"]', '["no"]', "the card names 1 classes, but the data have 2"),
        ('["no", "yes"]', '["a", "b", "c"]', "the card says classes"),
        ('"blobs"', '"blob"', 'there is no generator "blob" (did you mean blobs?)'),
        ("centers", "center", 'make_blobs has no parameter "center" (did you mean centers?)'),
        ("n_samples = 30", "n_samples = -1", "make_blobs: "),
        ("centers = 2", "return_centers = true", "make_blobs must return two dense arrays"),
        ("n_rows", "n_row", "toy.toml:6: unknown key n_row (did you mean n_rows?)"),
        ('"generated"\ngen', '"made"\ngen', "toy.toml:11: source.kind"),
    ],
)
def test_wrong_cards_are_refused(card_file: Path, old: str, new: str, said: str):
    card_file.write_text(CARD.replace(old, new))
    message = refusal(card_file)
    assert message.startswith(str(card_file))
    assert said in message


def test_unknown_data_name_the_nearest(card_file: Path):
    with pytest.raises(DataError, match=r'no built-in data set "irs" \(did you mean iris\?\)'):
        load_built_in("irs")
    assert "did you mean toy.toml?" in refusal(card_file.with_name("to.toml"))


def test_the_fingerprint_sees_every_value():
    dataset = load_built_in("iris")
    X = dataset.features.copy()
    X[-1, -1] = np.nextafter(X[-1, -1], np.inf)
    changed = [replace(dataset, features=X), replace(dataset, y=dataset.y[::-1])]
    changed.append(replace(dataset, features=dataset.features.reshape(300, 2)))
    prints = {data.fingerprint() for data in [dataset, *changed]}
    assert len(prints) == 4


def test_classes_can_be_kept():
    two = load_built_in("digits").keep_classes([3, "5"])
    assert two.task == "binary"
    assert two.class_names == ("3", "5")
    assert set(two.y) == {3, 5}
    assert two.n_rows == len(two.y)
    with pytest.raises(DataError, match=r'no class "seto" \(did you mean setosa\?\)'):
        load_built_in("iris").keep_classes(["seto", "virginica"])
    with pytest.raises(DataError, match="has only one class, 3"):
        load_built_in("digits").keep_classes([3, "3"])
    labels = replace(two, y=np.zeros((two.n_rows, 2)))
    with pytest.raises(DataError, match="multi-label"):
        labels.keep_classes(["3", "5"])


def test_scaling_is_that_of_scikit_learn_and_spares_constant_columns():
    X = np.column_stack([load_built_in("wine").features, np.full(178, 7.0)])
    for method, scaler in (("standard", StandardScaler()), ("minmax", MinMaxScaler())):
        scaling = fit_scaling(X, method)
        np.testing.assert_allclose(scaling.apply(X), scaler.fit_transform(X), atol=1e-12)
        assert np.all(scaling.apply(X)[:, -1] == 0)
    assert fit_scaling(X, "none") is None


@pytest.mark.parametrize(
    ("factors", "offset", "left_alone"),
    [
        ([1.0, 3.0], 0.0, True),
        ([1.0, 0.0], 5.0, True),
        ([1.0, 30.0], 0.0, False),
        ([1.0, 0.01], 0.0, False),
        ([1.0, 1.0], 100.0, False),
    ],
)
def test_auto_leaves_comparable_columns_alone(factors: list, offset: float, left_alone: bool):
    X = np.random.default_rng(0).normal(size=(50, 2)) * factors + offset
    assert (fit_scaling(X, "auto") is None) == left_alone
