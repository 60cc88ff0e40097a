"""Data that scikit-learn fetches, from small folders that are made here: nothing is downloaded."""

import codecs
import gzip
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.utils import Bunch

from fastclf.config import Recipe, load_recipe
from fastclf.data import load_built_in
from fastclf.errors import ConfigError, DataError
from fastclf.runs.run import train
from fastclf.table import Categories

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: Any, **keywords: Any) -> None:
        raise AssertionError("a test asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def dump(value: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(value, path)


def load(name: str, home: Path):
    return load_built_in(name, str(home), download=False)


def test_covtype(tmp_path: Path):
    dump(RNG.normal(size=(40, 54)), tmp_path / "covertype" / "samples_py3")
    dump(RNG.integers(1, 8, 40).astype(np.int32), tmp_path / "covertype" / "targets_py3")
    dataset = load("covtype", tmp_path)
    assert dataset.features.shape == (40, 54) and dataset.y.dtype == np.int64
    assert (dataset.feature_names[0], dataset.task) == ("Elevation", "multiclass")


def test_kddcup99_is_a_table(tmp_path: Path):
    rows = [
        [0, protocol, b"http", b"SF", *range(37)] for protocol in (b"tcp", b"udp", b"tcp", b"icmp")
    ]
    labels = np.array([b"normal.", b"smurf.", b"normal.", b"smurf."], dtype=object)
    dump(np.array(rows, dtype=object), tmp_path / "kddcup99_10-py3" / "samples")
    dump(labels, tmp_path / "kddcup99_10-py3" / "targets")
    dataset = load("kddcup99", tmp_path)
    protocol = dataset.features.columns["protocol_type"]
    assert protocol.names == ("icmp", "tcp", "udp") and protocol.codes.tolist() == [1, 2, 1, 0]
    assert dataset.features.columns["src_bytes"].values.tolist() == [0.0] * 4
    assert dataset.class_names == ("normal.", "smurf.")


def test_rcv1_has_its_own_test_part(tmp_path: Path):
    n = 23149 + 6
    labels = scipy.sparse.csr_matrix((RNG.random((n, 3)) < 0.4).astype(np.uint8))
    folder = tmp_path / "RCV1"
    dump(scipy.sparse.random(n, 9, 0.2, "csr", random_state=0), folder / "samples.pkl_py3")
    dump(np.arange(n), folder / "sample_id.pkl_py3")
    dump(labels, folder / "sample_topics.pkl_py3")
    dump(np.array(["C15", "E11", "M11"], dtype=object), folder / "topics_names.pkl_py3")
    _rename(folder)
    dataset = load("rcv1", tmp_path)
    assert (dataset.n_rows, dataset.test.n_rows, dataset.task) == (23149, 6, "multilabel")
    assert scipy.sparse.issparse(dataset.features)
    assert np.array_equal(dataset.test.y, labels.toarray()[-6:])
    assert dataset.class_names == ("C15", "E11", "M11")


def _rename(folder: Path) -> None:
    for path in folder.iterdir():  # scikit-learn puts _py3 before the suffix
        path.rename(folder / path.name.replace(".pkl_py3", "_py3.pkl"))


def test_20newsgroups_has_its_own_test_part(tmp_path: Path):
    texts = {}
    for subset, n in (("train", 30), ("test", 12)):
        texts[subset] = _bunch(n)
    content = codecs.encode(pickle.dumps(texts), "zlib_codec")
    (tmp_path / "20news-bydate_py3.pkz").write_bytes(content)
    dataset = load("20newsgroups_vectorized", tmp_path)
    assert (dataset.n_rows, dataset.test.n_rows) == (30, 12)
    assert dataset.class_names == ("alt.atheism", "sci.space")
    assert "planet" in dataset.feature_names
    assert scipy.sparse.issparse(dataset.features)
    recipe = {"name": "t", "data": {"name": dataset.name, "data_home": str(tmp_path)}}
    summary = train(Recipe.model_validate(recipe), tmp_path / "run").summary
    assert (summary["n_train"], summary["n_test"]) == (30, 12)


def _bunch(n: int) -> Bunch:
    target = np.arange(n) % 2
    words = ("belief doubt", "planet orbit")
    return Bunch(
        data=[f"word{i % 5} {words[code]}" for i, code in enumerate(target)],
        target=target,
        target_names=["alt.atheism", "sci.space"],
        filenames=np.array([str(i) for i in range(n)]),
    )


ARFF = """\
@relation toys
@attribute weight numeric
@attribute colour {red,blue}
@attribute class {good,bad}
@data
1.5,red,good
?,blue,bad
2.5,?,good
3.0,red,bad
"""


@pytest.fixture
def openml(tmp_path: Path) -> Path:
    folder = tmp_path / "openml" / "openml.org"

    def keep(path: str, content: bytes) -> None:
        target = folder / f"{path}.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(content))

    found = {
        "id": "31",
        "did": 31,
        "name": "toys",
        "version": "1",
        "status": "active",
        "format": "ARFF",
        "description": "toys",
        "url": "https://www.openml.org/data/v1/download/9/toys.arff",
        "md5_checksum": hashlib.md5(ARFF.encode()).hexdigest(),
        "file_id": "9",
    }
    kinds = (("weight", "numeric"), ("colour", "nominal"), ("class", "nominal"))
    features = [
        {
            "index": str(i),
            "name": name,
            "data_type": kind,
            "is_target": "true" if name == "class" else "false",
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0" if name == "class" else "1",
        }
        for i, (name, kind) in enumerate(kinds)
    ]
    qualities = [{"name": "NumberOfInstances", "value": "4.0"}]
    api = "api/v1/json/data"
    keep(f"{api}/31", json.dumps({"data_set_description": found}).encode())
    keep(f"{api}/features/31", json.dumps({"data_features": {"feature": features}}).encode())
    keep(f"{api}/qualities/31", json.dumps({"data_qualities": {"quality": qualities}}).encode())
    search = json.dumps({"data": {"dataset": [found]}}).encode()
    keep(f"{api}/list/data_name/toys/limit/2/status/active/", search)
    keep(f"{api}/list/data_name/toys/limit/2/data_version/1", search)
    keep("data/v1/download/9/toys.arff", ARFF.encode())
    return tmp_path


@pytest.mark.parametrize("name", ["openml:31", "openml:toys", "openml:Toys:1"])
def test_openml_by_number_and_by_name(openml: Path, name: str):
    dataset = load(name, openml)
    assert (dataset.name, dataset.task, dataset.class_names) == ("toys", "binary", ("bad", "good"))
    colour = dataset.features.columns["colour"]
    assert isinstance(colour, Categories)
    assert [(*colour.names, None)[code] for code in colour.codes] == ["red", "blue", None, "red"]
    weight = dataset.features.columns["weight"]
    assert weight.missing.tolist() == [False, True, False, False]


def test_what_is_not_there_is_not_downloaded(openml: Path, tmp_path: Path):
    for name in ("covtype", "kddcup99", "20newsgroups_vectorized", "rcv1", "openml:32"):
        with pytest.raises(DataError) as refused:
            load(name, tmp_path)
        message = str(refused.value)
        assert message.startswith(f"{name} can't be loaded from {tmp_path}: ")
        assert "data.data_home" in message and "data.download to true" in message
        assert "\n" not in message
    with pytest.raises(DataError, match=r'"covtyp" \(did you mean covtype\?\); .*openml:NUMBER'):
        load("covtyp", tmp_path)


def test_keys_that_go_with_names(tmp_path: Path):
    path = tmp_path / "r.toml"
    for text, key in (("data_home = 'x'", "data_home"), ("download = false", "download")):
        path.write_text(f"[data]\npath = 'x.csv'\n{text}\n")
        with pytest.raises(ConfigError, match=rf"r.toml:3: data.{key} needs data.name"):
            load_recipe(path)
    path.write_text("[data]\nname = 'covtype'\ndata_home = 'x'\n")
    assert load_recipe(path).data.data_home == str(tmp_path / "x")
