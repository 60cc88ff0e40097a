"""The house: floors, import budget, public names."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastclf
from fastclf.losses import Sigmoid
from fastclf.objective import (
    Extent,
    InMemoryObjective,
    Objective,
    PartitionedObjective,
    StreamedObjective,
    Totals,
)
from fastclf.penalties import L2
from fastclf.targets import Target

PACKAGE = Path(fastclf.__file__).parent
FILES = {
    ".".join(["fastclf", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
FLOORS = {
    "fastclf": 0,  # the lazy front door, which anyone may ask for the version
    "fastclf.late": -1,
    "fastclf.dates": 1,
    "fastclf.errors": 1,
    "fastclf.files": 1,
    "fastclf.model_file": 1,
    "fastclf.recycling": 1,
    "fastclf.schema": 1,
    "fastclf.toml": 1,
    "fastclf.kernels": 2,
    "fastclf.threads": 2,
    "fastclf.blas": 2,
    "fastclf.finite": 3,
    "fastclf.row_hash": 3,
    "fastclf.targets": 3,
    "fastclf.losses": 3,
    "fastclf.penalties": 3,
    "fastclf.plan": 3,
    "fastclf.functional": 3,
    "fastclf.objective": 4,
    "fastclf.logits": 4,
    "fastclf.solvers": 5,
    "fastclf.table": 5,
    "fastclf.text_features": 5,
    "fastclf.encoded": 5,
    "fastclf.preprocessing": 5,
    "fastclf.linear_model": 5,
    "fastclf.estimators": 6,
    "fastclf.dask": 7,
    "fastclf.data": 7,
    "fastclf.config": 7,
    "fastclf.report": 7,
    "fastclf.runs": 8,
    "fastclf.cli": 9,
    "fastclf.__main__": 10,
}
SAME_FLOOR = {
    ("fastclf.encoded", "fastclf.table"),
    ("fastclf.encoded", "fastclf.text_features"),
    ("fastclf.preprocessing", "fastclf.encoded"),
    ("fastclf.preprocessing", "fastclf.table"),
    ("fastclf.preprocessing", "fastclf.text_features"),
    ("fastclf.text_features", "fastclf.table"),
    ("fastclf.linear_model", "fastclf.preprocessing"),  # a saved model holds its encoder
    ("fastclf.linear_model", "fastclf.table"),
    ("fastclf.config", "fastclf.data"),  # [data] has the keys by which a file is read
    ("fastclf.losses", "fastclf.targets"),  # a loss reads which kind of target it has
    ("fastclf.schema", "fastclf.toml"),
    ("fastclf.threads", "fastclf.kernels"),  # threads wait for each other in compiled code
    ("fastclf.toml", "fastclf.errors"),
}


def room(module: str) -> str:
    """The room that a module is, or is in."""
    parts = module.split(".")
    name = ".".join(parts[:2])
    return name if name in FLOORS else "fastclf"


def imports(path: Path) -> list[tuple[str, int]]:
    """All modules that a file imports anywhere, with their line; names from fastclf resolved."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in FILES else node.module, node.lineno))
    return found


def under_type_checking(path: Path) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            lines |= {
                line for inner in node.body for line in range(inner.lineno, inner.end_lineno + 1)
            }
    return lines


def test_every_room_has_a_floor():
    rooms = {".".join(module.split(".")[:2]) for module in FILES}
    assert rooms <= set(FLOORS)


@pytest.mark.parametrize("module", FILES)
def test_imports_run_strictly_downward(module: str):
    own = room(module)
    skipped = under_type_checking(FILES[module])
    for imported, line in imports(FILES[module]):
        if imported.split(".")[0] != "fastclf" or line in skipped:
            continue
        other = room(imported)
        allowed = other == own or FLOORS[other] < FLOORS[own] or (own, other) in SAME_FLOOR
        assert allowed, f"{module}:{line} on floor {FLOORS[own]} imports {imported}"


def names_used(path: Path) -> set[str]:
    return {name.split(".")[0] for name, _ in imports(path)}


@pytest.mark.parametrize("module", FILES)
def test_libraries_that_a_single_room_names(module: str):
    used = names_used(FILES[module])
    skipped = under_type_checking(FILES[module])
    needed = {name.split(".")[0] for name, line in imports(FILES[module]) if line not in skipped}
    if room(module) != "fastclf.kernels":
        assert not used & {"numba", "llvmlite"}
    if room(module) not in ("fastclf.cli", "fastclf.__main__"):
        assert "click" not in used
    if room(module) != "fastclf.dask":
        assert not needed & {"dask", "distributed"}


@pytest.mark.parametrize("module", FILES)
def test_nothing_is_ever_executed_from_data(module: str):
    tree = ast.parse(FILES[module].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "compile", "__import__"), f"{module}:{node.lineno}"
            if module == "fastclf.kernels.runtime.cache" and name == "pickle.loads":
                continue  # compiled code, which is as trusted as the package
            assert name.rpartition(".")[2] not in ("loads", "load") or name.split(".")[0] not in (
                "pickle",
                "joblib",
                "marshal",
                "dill",
            ), f"{module}:{node.lineno}"
            assert not any(
                keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
                for keyword in node.keywords
            ), f"{module}:{node.lineno}"
    used = names_used(FILES[module])
    assert not used & {"joblib", "marshal", "shelve", "dill", "cloudpickle"}
    assert "pickle" not in used or module == "fastclf.kernels.runtime.cache"


PRIVATE_NAMES_OF_LIBRARIES = {
    "_replace",  # of a NamedTuple
    "_init_callback_context",  # of scikit-learn's callbacks, and then of its scorers
    "_sign",
    "_response_method",
    "_kwargs",
}
OF_THE_SAME_CLASS = {
    ("fastclf.estimators.prediction", "estimator._task"),
    ("fastclf.estimators.tallies", "other._dtype"),
    ("fastclf.estimators.tallies", "other._mass"),
    ("fastclf.estimators.tallies", "other._n"),
    ("fastclf.estimators.tallies", "other._sides"),
}


@pytest.mark.parametrize("module", [name for name in FILES if room(name) == "fastclf.estimators"])
def test_estimators_use_no_private_names_of_other_objects(module: str):
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_"):
            continue
        owner, used = ast.unparse(node.value), ast.unparse(node)
        of_itself = owner in ("self", "cls", "super()") or node.attr.startswith("__")
        known = node.attr in PRIVATE_NAMES_OF_LIBRARIES or (module, used) in OF_THE_SAME_CLASS
        assert of_itself or known, f"{module}:{node.lineno} uses {used}"


@pytest.mark.parametrize("module", FILES)
def test_text_files_are_utf_8_in_any_locale(module: str):
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            binary = any("b" in ast.unparse(mode) for mode in node.args[1:2])
            told = binary or any(keyword.arg == "encoding" for keyword in node.keywords)
            is_text = name in ("read_text", "write_text") or ast.unparse(node.func) == "open"
            assert told or not is_text, f"{module}:{node.lineno}"


PUBLIC = {
    "DistilledClassifier",
    "LoadedClassifier",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MultiLabelLogisticRegression",
    "MultiLabelLogisticRegressionCV",
    "TemperatureScaler",
    "__version__",
    "data",
    "functional",
    "load",
    "objective",
    "preprocessing",
    "solvers",
}


def test_public_names_are_exact():
    assert set(fastclf.__all__) == PUBLIC
    assert sorted(fastclf.__all__) == fastclf.__all__ == dir(fastclf)
    assert set(fastclf._HOMES) == PUBLIC - {"__version__"}
    for name in fastclf.__all__:
        assert getattr(fastclf, name) is not None
    for name, home in fastclf._HOMES.items():
        module = importlib.import_module(home)
        value = getattr(fastclf, name)
        assert value is (module if home == f"fastclf.{name}" else getattr(module, name))
    with pytest.raises(AttributeError, match="LinearRegression"):
        _ = fastclf.LinearRegression


@pytest.mark.parametrize("module", ["fastclf.solvers", "fastclf.functional"])
def test_public_modules_export_what_is_there(module: str):
    loaded = importlib.import_module(module)
    assert len(set(loaded.__all__)) == len(loaded.__all__)
    classes_and_functions = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module)
    }
    assert all(hasattr(loaded, name) for name in loaded.__all__)
    assert classes_and_functions <= set(loaded.__all__)


HEAVY = {"numba", "sklearn", "numpy", "scipy", "pydantic", "rich", "tomlkit", "safetensors"}


@pytest.mark.parametrize(
    "code, also_light",
    [
        ("import fastclf; fastclf.__version__; dir(fastclf)", {"click"}),
        (
            "import sys; sys.argv = ['fastclf', '--help']\n"
            "from fastclf.cli import main\n"
            "try: main()\nexcept SystemExit as stop: assert not stop.code",
            set(),
        ),
    ],
    ids=["import", "--help"],
)
def test_import_budget(code: str, also_light: set[str]):
    program = f"{code}\nimport sys; print('LOADED', *sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split("LOADED")[1].split()}
    assert not loaded & (HEAVY | also_light)


def test_kernels_are_compiled_lazily():
    program = (
        "import fastclf.functional, fastclf.objective, fastclf.solvers\n"
        "from fastclf.kernels.loss.kinds import SIGMOID, SOFTMAX_HARD\n"
        "from fastclf.kernels.passes import minibatch, narrow, value_and_grad as passes\n"
        "from fastclf.kernels.products import dense\n"
        "for kind in (SIGMOID, SOFTMAX_HARD):\n"
        "    kernels = [passes.shared(kind), minibatch.run_batches(kind, dense), kind.tile]\n"
        "    assert not any(kernel.signatures for kernel in [*kernels, narrow.of_kind(kind)])"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def of_protocol() -> set[str]:
    members = {name for name in vars(Objective) if not name.startswith("_")}
    return members | set(Objective.__annotations__)


def test_an_objective_owes_little_and_each_kind_has_it_all():
    assert len(of_protocol()) <= 22
    X, y = np.eye(4), Target(np.ones((1, 4)), soft=np.eye(4)[:, :1])
    memory = InMemoryObjective(X, y, Sigmoid(), 1, L2(np.ones(1)))

    class Chunks:
        extent = Extent(4, 4, np.dtype(float))

    class Nowhere:
        def map(self, function, *given):
            return self

    what = Sigmoid(), 1, L2(np.ones(1)), Totals(np.ones(1), np.zeros(4))
    streamed = StreamedObjective(Chunks(), *what)
    partitioned = PartitionedObjective(Nowhere(), Extent(4, 4, np.dtype(float)), *what)
    for objective in (memory, streamed, partitioned):
        assert of_protocol() <= set(dir(objective))


@pytest.mark.parametrize("module", FILES)
def test_only_engines_call_compiled_steps(module: str):
    used = [name for name, _ in imports(FILES[module]) if name.startswith("fastclf.kernels.steps")]
    assert not used or module.startswith(("fastclf.solvers.engines", "fastclf.kernels"))


@pytest.mark.parametrize("module", [m for m in FILES if m.startswith("fastclf.solvers")])
def test_solvers_know_what_an_objective_has(module: str):
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            looks = ast.unparse(node.args[0]) == "objective"
            # The one look is whether it has what a solver needs.
            assert not looks or (module == "fastclf.solvers.loop" and "name" in ast.unparse(node))


@pytest.mark.parametrize("module", FILES)
def test_files_can_be_read_in_one_go(module: str):
    core = module.startswith(("fastclf.objective", "fastclf.solvers", "fastclf.plan"))
    assert len(FILES[module].read_text().splitlines()) <= (450 if core else 500)


MANY_PARAMETERS = {"fastclf.data.stream.__init__"}
"""Functions of more than 12 parameters: of a public class, whose keywords are keys of [data]."""


def test_few_functions_have_many_parameters():
    found = set()
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            names = [arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)]
            is_public = module.startswith("fastclf.estimators") and node.name == "__init__"
            if len([name for name in names if name not in ("self", "cls")]) > 12 and not is_public:
                found.add(f"{module}.{node.name}")
    assert found == MANY_PARAMETERS
    assert len(found) <= 3


FLOORS_OF_KERNELS = ("runtime", "loss", "products", "linalg", "passes", "steps")


@pytest.mark.parametrize("module", [m for m in FILES if m.startswith("fastclf.kernels.")])
def test_rooms_of_kernels_import_downward(module: str):
    own = FLOORS_OF_KERNELS.index(module.split(".")[2])
    for name, line in imports(FILES[module]):
        if name.startswith("fastclf.kernels."):
            other = FLOORS_OF_KERNELS.index(name.split(".")[2])
            assert other <= own, f"{module}:{line} imports {name}"
