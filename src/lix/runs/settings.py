"""Sections of a recipe: every setting of a run, with its default and what it means.

Loads neither torch nor NumPy, so that `lix --help` stays fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from lix.core.errors import unknown
from lix.data.options import ENCODINGS
from lix.data.yaml_files import parse_yaml


def _parsed(value: object) -> object:
    """Options given as flags are text: read them as YAML would, `true` → True, `0.5` → 0.5."""
    if isinstance(value, dict):
        return {str(key).replace("-", "_"): _parsed(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    try:
        return float(value) if "e" in value.lower() else parse_yaml(value)  # 1e-3 is text in YAML
    except ValueError:
        return parse_yaml(value)


Options = Annotated[dict[str, Any], BeforeValidator(_parsed)]


def _encoding(value: str) -> str:
    parts = value.split("+")
    for part in parts:
        if part not in ENCODINGS:
            raise ValueError(unknown("encoding of X", part, ENCODINGS))
    if len(set(parts)) < len(parts):
        raise ValueError(f"{value} names a part twice")
    return value


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"{limits[0]} is above {limits[1]}; write the smaller one first")
    return limits


IRRELEVANT_TO_RESULT = {"strategy", "workers", "threads", "accelerator", "logger"}
"""Settings of `training` that change no result: a resume may change them, and a study names its
runs without them."""

Zoom = Annotated[float, Field(gt=0, le=100)]

Size = tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]


class Section(BaseModel):
    """A group of settings; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Data(Section):
    """Settings of the data set."""

    name: str = "vkitti2"
    """Name of the loader: see `lix list datasets`."""
    root: Path | None = None
    """Folder of the data set, or the YAML file that describes your own."""
    val_root: Path | None = None
    """Folder of the validation frames, where they are of another place; default: `root`."""
    size: Size = (384, 1248)
    """Height and width that the network sees."""
    x: Annotated[str, AfterValidator(_encoding)] = "log"
    """How the teacher sees depth and disparity: `log`, `inverse`, `normal`, or `log+normal`;
    docs/data.md names the other estimators of normals."""
    cache: Path | None = None
    """Folder for decoded images at `size`, filled as they are read: later epochs are faster."""
    skip_damaged: bool = False
    """Read every frame at the start, and leave out, counted, those that are missing or damaged."""
    options: Options = {}
    """Options of the loader, for all splits."""
    train: Options = {}
    """Options of the loader for the training split."""
    val: Options = {}
    """Options of the loader for the validation split."""
    _frames: Any = PrivateAttr(None)

    @property
    def frames(self) -> Any:
        """A data set in memory (`lix.data.memory.Frames`), which no file can hold, or None."""
        return self._frames

    def with_frames(self, frames: Any) -> Data:
        """The same settings of a data set in memory."""
        data = self.model_copy(update={"name": "memory", "root": None, "val_root": None})
        data._frames = frames
        return data


class Network(Section):
    """Settings of the network."""

    name: str = "mfnet"
    """Name of the network: see `lix list networks`."""
    options: Options = {}
    """Options of the network, such as `head: official`."""


class Optim(Section):
    """The optimiser; the defaults are the paper's."""

    name: Literal["sgd", "adamw"] = "sgd"
    """Name of the optimiser."""
    lr: float = Field(default=5e-3, gt=0)
    """Learning rate."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Weight decay of all parameters."""
    schedule: Literal["constant", "poly", "cosine"] = "constant"
    """`poly` lowers the learning rate to 0 over the epochs with power 0.9, `cosine` along half a
    cosine."""
    warmup: int = Field(default=0, ge=0)
    """Epochs over which the learning rate first rises from 0, a little with every step."""
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient, which is scaled down to it; default: no limit."""
    batch_size: int = Field(default=8, ge=1)
    """Images per step and process."""
    accumulate: int = Field(default=1, ge=1)
    """Steps whose gradients are averaged before an update."""


class Augmentation(Section):
    """The paper's augmentation of training images."""

    scale: Annotated[tuple[Zoom, Zoom], AfterValidator(_ascending)] = (0.75, 1.5)
    """Range of the random zoom."""
    flip: float = Field(default=0.5, ge=0, le=1)
    """Probability of a horizontal flip."""
    photometric: float = Field(default=0.5, ge=0, le=1)
    """Probability of each colour and photometric distortion."""
    crop: Size | None = None
    """Height and width of random crops of frames at `data.size`, which validation sees whole;
    default: training sees whole frames too."""
    x_scale: Annotated[tuple[Zoom, Zoom], AfterValidator(_ascending)] = (1.0, 1.0)
    """Range of a random factor of the teacher's depth or disparity, such as 0.8 1.25, so that it
    bears another sensor."""
    x_drop: float = Field(default=0, ge=0, le=1)
    """Probability that the teacher's X is missing in a random window of half the height and
    width."""
    depth_mix: float = Field(default=0, ge=0, le=1)
    """Probability that a frame is overlaid with the nearer pixels of another one of its batch
    (DepthMix); needs depth or disparity, also for a plain student."""


class Training(Section):
    """The course of training."""

    epochs: int = Field(default=500, ge=1)
    """Passes over the training images."""
    patience: int = Field(default=50, ge=1)
    """Epochs without a better validation mIoU after which training stops."""
    keep: Literal["auto", "best", "last"] = "auto"
    """Which epoch's weights the run ends with: the best on validation frames or the last; `auto`:
    the best, but the last where unlabelled or validation frames are of another place."""
    evaluate_every: int = Field(default=1, ge=1)
    """Epochs from one validation to the next; `epochs` must be a multiple of it."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order of images, augmentation and dropout."""
    max_class_weight: float = Field(default=1, ge=1)
    """Largest weight of a rare class in the cross-entropy: its pixels weigh 1/(K · its share of the
    batch), at least 1 and at most this; 1: all weigh the same, as in the paper."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of a moving average of the weights, such as 0.999, which is then what is validated and
    kept; default: no average."""
    compile: bool = False
    """Compile network and teacher with `torch.compile`: faster after a slow first step."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Numerical precision, as Lightning names it."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Kind of device; `auto` takes a GPU if there is one."""
    devices: int = Field(default=1, ge=1)
    """Number of processes on each machine; more than one in all trains with DDP."""
    nodes: int = Field(default=1, ge=1)
    """Number of machines, on each of which torchrun or SLURM starts the same command."""
    strategy: Literal["auto", "ddp", "ddp_fork", "ddp_spawn"] = "auto"
    """How the processes start; `auto` is `ddp` if there are several."""
    sync_batchnorm: bool = False
    """Share the statistics of the network's batch norms between GPUs, as one batch would."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of each process; more than one is slower on few cores."""
    channels_last: bool = False
    """Keep maps as NHWC in memory: often faster; needs a network that supports channels-last."""
    workers: int = Field(default=0, ge=0)
    """Extra processes that load data, for each training process."""
    logger: Literal["tensorboard", "csv", "wandb", "mlflow"] = "tensorboard"
    """What records the training; `wandb` and `mlflow` are extras, and write into the run's folder
    unless WANDB_MODE or MLFLOW_TRACKING_URI says otherwise."""

    @property
    def processes(self) -> int:
        """Number of processes on all machines."""
        return self.devices * self.nodes


class Drive(Section):
    """Frames that nobody labelled: RGB, and X for a teacher that sees it."""

    name: str | None = None
    """Name of the loader: see `lix list datasets`; default: `data.name`."""
    root: Path | None = None
    """Folder of the frames, or a YAML file that describes them; no label is looked for."""
    options: Options = {}
    """Options of the loader, such as `x`, the folder of its depth."""


class Unlabelled(Drive):
    """Unlabelled frames that join every batch, with the teacher's classes in place of labels."""

    drives: tuple[Drive, ...] = ()
    """Further sources; all frames are drawn with equal probability."""
    batch_size: int | None = Field(default=None, ge=1)
    """Unlabelled images per step and process; default: `optim.batch_size`."""
    weight: float = Field(default=1.0, gt=0)
    """Factor of the method's loss, which then sees both kinds of frames."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Least probability of the teacher's class; pixels below it teach nothing."""
    teacher: Path | None = None
    """For `lix train`: the network whose classes a teacher or a plain student learns there by
    cross-entropy; `lix distill` has its own teacher."""
    truth: bool = False
    """Read labels after all, and learn from them: the ceiling that a study compares with."""

    @model_validator(mode="after")
    def _names_a_folder(self) -> Unlabelled:
        chosen = self.model_dump(exclude_defaults=True)
        if chosen and not self.sources:
            raise ValueError(
                f"{', '.join(chosen)} cannot be used without a folder of unlabelled frames; name "
                "it with --unlabelled.root"
            )
        return self

    @property
    def is_used(self) -> bool:
        """Whether a source names a folder."""
        return bool(self.sources)

    @property
    def sources(self) -> tuple[Drive, ...]:
        """All sources that name a folder."""
        return tuple(drive for drive in (self, *self.drives) if drive.root is not None)


class Distillation(Section):
    """What is distilled, from whom, and how."""

    method: str = "lix"
    """Distillation method: see `lix list methods`."""
    teacher: Path | None = None
    """Run folder or checkpoint of the teacher."""
    preset: str | None = None
    """Named options of the method, such as `paper`."""
    options: Options = {}
    """Options of the method, as in `--options.temperature 4`."""
    features: tuple[str, ...] = ()
    """Student feature maps that feature distillation compares; default: see `lix.pair`."""
    teacher_features: tuple[str, ...] = ()
    """The teacher's maps, in the same order; default: `features`, or see `lix.pair`."""


class Settings(Section):
    """The settings that every run has, with and without distillation."""

    output: Path = Path("runs/run")
    """Folder of the run."""
    data: Data = Data()
    network: Network = Network()
    optim: Optim = Optim()
    augment: Augmentation = Augmentation()
    training: Training = Training()
    unlabelled: Unlabelled = Unlabelled()
