"""Time epochs of minibatch training on MNIST (with --data) or digits, and evaluate the models."""

import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from _benchmark import arguments, write
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import fastclf
from fastclf.solvers import SGD, Adam
from fastclf.threads import available_cpus

EPOCHS, BATCH = 5, 256

try:
    import torch
except ImportError:
    torch = None


def load(folder: Path | None) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a name, training rows and labels, and test rows and labels, scaled to [0, 1]."""
    if folder is None:
        X, y = load_digits(return_X_y=True)
        parts = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
        X, X_test, y, y_test = parts
        return "digits", (X / 16).astype(np.float32), y, (X_test / 16).astype(np.float32), y_test
    with np.load(folder / "mnist.npz") as data:
        X, X_test = (data[key].astype(np.float32) / 255 for key in ("X", "X_test"))
        return "MNIST", X, data["y"].astype(np.int64), X_test, data["y_test"].astype(np.int64)


class TorchLoop:
    """A plain torch training loop over shuffled batches: linear layer, cross-entropy, Adam."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "TorchLoop":
        torch.manual_seed(0)
        rows, labels = torch.from_numpy(X), torch.from_numpy(y)
        self.layer = torch.nn.Linear(X.shape[1], int(y.max()) + 1)
        optimizer = torch.optim.Adam(self.layer.parameters(), lr=1e-3)
        for _ in range(EPOCHS):
            order = torch.randperm(len(rows))
            for batch in order.split(BATCH):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(self.layer(rows[batch]), labels[batch])
                loss.backward()
                optimizer.step()
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.softmax(self.layer(torch.from_numpy(X)), dim=1).numpy()


def contenders() -> dict[str, object]:
    """Return unfitted models that train for the same number of epochs."""

    def ours(solver: object) -> fastclf.LogisticRegression:
        return fastclf.LogisticRegression(solver=solver, max_iter=EPOCHS, tol=0, random_state=0)

    models: dict[str, object] = {
        "fastclf Adam": ours(Adam(batch_size=BATCH)),
        "fastclf SGD": ours(SGD(batch_size=BATCH)),
        "MLPClassifier(())": MLPClassifier(
            hidden_layer_sizes=(), batch_size=BATCH, max_iter=EPOCHS, tol=0, random_state=0
        ),
        "SGDClassifier": SGDClassifier(
            loss="log_loss", max_iter=EPOCHS, tol=None, random_state=0, n_jobs=available_cpus()
        ),
    }
    if torch is not None:
        torch.set_num_threads(available_cpus())
        models["torch Adam loop"] = TorchLoop()
    return models


def main() -> None:
    options = arguments(__doc__, data=True)
    name, X, y, X_test, y_test = load(options.data)
    warnings.simplefilter("ignore")  # the peers warn that five epochs are few
    models = contenders()
    seconds: dict[str, list[float]] = {key: [] for key in models}
    for model in models.values():
        model.fit(X[:1000], y[:1000])
    for _ in range(min(options.repeats, 5)):
        for key, model in models.items():
            started = time.perf_counter()
            model.fit(X, y)
            seconds[key].append(time.perf_counter() - started)
    epoch = {key: median(times) / EPOCHS for key, times in seconds.items()}
    rows = []
    for key, model in models.items():
        p = model.predict_proba(X_test)
        rows.append(
            {
                "model": key,
                "ms / epoch": 1e3 * epoch[key],
                "times fastclf Adam": epoch[key] / epoch["fastclf Adam"],
                "held-out log-loss": float(log_loss(y_test, p)),
                "held-out accuracy": float((p.argmax(axis=1) == y_test).mean()),
            }
        )
    write(
        "minibatch" if options.data else "minibatch_digits",
        f"{EPOCHS} epochs of minibatch training on {name}",
        f"Batches of {BATCH} rows (`SGDClassifier`: 1), float32, features scaled to [0, 1], each "
        f"model's default learning rate (torch: 1e-3). Milliseconds are the median time of a "
        f"whole `fit` over {EPOCHS} epochs, divided by {EPOCHS}.",
        rows,
        options.out,
    )


if __name__ == "__main__":
    main()
