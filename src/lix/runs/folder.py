"""The run folder: the one place that knows the names of what a run leaves on disk."""

from __future__ import annotations

from pathlib import Path

CROSS = "cross-{}.json"
"""Name of a file with scores on other data."""


class RunFolder:
    """The files of one run.

    Args:
        path: the folder; need not exist yet.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def of(cls, path: Path | str) -> RunFolder:
        """The run that a path names by its folder or by one of its checkpoints."""
        path = Path(path)
        return cls(path if path.is_dir() else path.parent.parent)

    @property
    def recipe(self) -> Path:
        """The resolved settings."""
        return self.path / "recipe.yaml"

    @property
    def identity(self) -> Path:
        """Id of the run, and a fingerprint of the data that it is trained on."""
        return self.path / "identity.json"

    @property
    def drives(self) -> Path:
        """Fingerprints of the unlabelled frames that the run learns from."""
        return self.path / "drives.npz"

    @property
    def checkpoints(self) -> Path:
        """Folder of all weights."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights that the run ends with: of the best validation epoch, or of the last one."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch, from which a resume continues."""
        return self.checkpoints / "last.ckpt"

    @property
    def teacher_stage(self) -> Path:
        """What a two-stage method has trained on the teacher before the student."""
        return self.checkpoints / "teacher_stage.ckpt"

    @property
    def history(self) -> Path:
        """A row for each epoch and quantity."""
        return self.path / "history.csv"

    @property
    def result(self) -> Path:
        """Scores of the weights that the run ends with, and its cost; written last."""
        return self.path / "result.json"

    @property
    def curves(self) -> Path:
        """Figure of loss, validation mIoU and learning rate over the epochs."""
        return self.path / "curves.png"

    @property
    def pictures(self) -> Path:
        """RGB, X, labels and predictions of some validation frames."""
        return self.path / "pictures.png"

    @property
    def log(self) -> Path:
        """What the training printed, if a study started it."""
        return self.path / "log.txt"

    @property
    def error(self) -> Path:
        """Why the run failed when a study last tried it."""
        return self.path / "error.txt"

    @property
    def csv(self) -> Path:
        """Folder of Lightning's CSV logger."""
        return self.path / "csv"

    @property
    def tensorboard(self) -> Path:
        """Folder of the TensorBoard logger."""
        return self.path / "tensorboard"

    @property
    def mlflow(self) -> Path:
        """Folder of MLflow's artifacts."""
        return self.path / "mlflow"

    @property
    def mlflow_database(self) -> Path:
        """What MLflow has recorded."""
        return self.path / "mlflow.db"

    @property
    def across(self) -> dict[str, Path]:
        """Files of scores on other data by the name of these data."""
        before, after = CROSS.split("{}")
        files = sorted(self.path.glob(CROSS.format("*")))
        return {path.name.removeprefix(before).removesuffix(after): path for path in files}

    @property
    def finished(self) -> bool:
        """Whether the run has a result."""
        return self.result.is_file()

    @property
    def usable(self) -> bool:
        """Whether the run has a result and weights: a result may be kept without them."""
        return self.finished and self.best.is_file()
