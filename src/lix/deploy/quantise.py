"""A student → an ONNX or OpenVINO file of 8-bit integers, and the mIoU that this costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lix.core.errors import DataError, require
from lix.core.onnx_file import CHECKSUM, UNSEALED, seal
from lix.data.dataset import SegDataset
from lix.deploy.backend import backend, backend_of, open_student
from lix.deploy.export import export_onnx, silence
from lix.deploy.image_files import find_images, read_image
from lix.deploy.student import Segmenter, Student
from lix.evaluation.evaluate import confusion_matrix
from lix.evaluation.metrics import scores
from lix.runs.data import evaluation_loader, evenly_spaced, open_dataset
from lix.runs.folder import RunFolder
from lix.runs.recipe import Recipe
from lix.runs.settings import Data

MAX_CALIBRATION_IMAGES = 64
"""Maximum number of images to calibrate on; of more, evenly spaced ones are taken."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class QuantisationReport:
    """What was written, and its mIoU next to PyTorch's on the validation split of the run."""

    path: Path
    images: int
    """Number of images that it was calibrated on."""
    before: float | None
    """mIoU of PyTorch in [0, 1]; None where the data cannot be read."""
    after: float | None
    """mIoU of the file."""
    why_unknown: str = ""
    """Sentence on why the data cannot be read."""

    def __str__(self) -> str:
        text = f"{self.path}: int8, calibrated on {self.images} images; "
        if self.before is None or self.after is None:
            return f"{text}its loss of mIoU is unknown. {self.why_unknown}"
        return (
            f"{text}mIoU on the validation split {100 * self.after:.2f} %, in PyTorch "
            f"{100 * self.before:.2f} % ({100 * (self.after - self.before):+.2f} points)"
        )


def quantise(
    checkpoint: Path,
    output: Path,
    *,
    images: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> QuantisationReport:
    """Write a student as ONNX with weights and activations of 8 bits, and measure its mIoU.

    Static quantisation of ONNX Runtime (QDQ; weights per channel and of 7 bits, so that sums do
    not overflow on processors without VNNI; activations between the least and the largest value
    that they take on the calibration images; all but the first convolution). Input, output and
    metadata are those of `export_onnx`, plus `quantisation`.

    Args:
        checkpoint: run folder or checkpoint of a student.
        output: the file; written when all is done.
        images: folder of RGB images to calibrate on; default: the run's training images.
        progress: called with the number of evaluated batches, and of all batches.

    Raises:
        ModuleNotFoundError: the extra `export` is missing.
        FileNotFoundError: no checkpoint.
        ValueError: as `export_onnx`; no images to calibrate on, or damaged ones.
        OSError: the output cannot be written.
    """
    require("export", "onnx", "onnxscript", "onnxruntime")
    student = open_student(checkpoint, device="cpu")
    segmenter = Segmenter(student)
    pictures = (
        training_images(checkpoint, student) if images is None else folder_images(images, output)
    )
    batches = [segmenter.prepare(picture).numpy() for picture in pictures]
    engine = backend_of(output) or backend("onnx")
    with TemporaryDirectory() as folder:
        exported, quantised = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        export_onnx(checkpoint, exported)
        write_int8(exported, quantised, batches)
        draft = Path(folder, "student").with_suffix(engine.suffixes[0])
        engine.from_onnx(quantised, draft)
        before = after = None
        why_unknown = ""
        try:
            data, dataset = run_split(checkpoint, student, "val")
        except DataError as error:
            why_unknown = str(error)
        else:
            loader = evaluation_loader(data, dataset, with_x=False)
            students = [student, engine.open(draft, device="cpu")]
            before, after = miou(students, loader, dataset.left_out, progress)
        engine.from_onnx(quantised, output)
    return QuantisationReport(output, len(batches), before, after, why_unknown)


def write_int8(source: Path, target: Path, batches: list[NDArray[np.float32]]) -> None:
    """Write a float ONNX file of lix with 8-bit integers, calibrated on batches of its input.

    The first convolution, which reads the image, keeps its floats: OpenVINO loses a point of mIoU
    where the stem of a transformer (7 × 7, stride 4) has 8 bits.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = source.with_name("prepared.onnx")
    with silence():
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        stem = next((node.name for node in nodes if node.op_type == "Conv"), None)
        quantization.quantize_static(
            prepared,
            target,
            _Reader(batches),
            nodes_to_exclude=[] if stem is None else [stem],
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibration_providers=["CPUExecutionProvider"],
        )
    model = onnx.load(target)
    model.metadata_props.add(key="quantisation", value='"int8"')
    for entry in model.metadata_props:
        if entry.key == CHECKSUM:
            entry.value = UNSEALED
    onnx.save(model, target)
    seal(target)


class _Reader:
    """Calibration data in the form that ONNX Runtime asks for."""

    def __init__(self, batches: list[NDArray[np.float32]]) -> None:
        self.batches = iter(batches)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next picture, None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def folder_images(images: Path, output: Path) -> Iterator[Pixels]:
    """At most `MAX_CALIBRATION_IMAGES` of the images below a folder, except those in `output`.

    Raises:
        ValueError: no folder, or no image in it.
    """
    if not images.is_dir():
        raise ValueError(f"{images} is not a folder; name one with RGB images to calibrate on.")
    paths = find_images(images, without=output)
    chosen = evenly_spaced(len(paths), MAX_CALIBRATION_IMAGES)
    return (np.asarray(read_image(paths[index])) for index in chosen)


def training_images(checkpoint: Path, student: Student) -> Iterator[Pixels]:
    """At most `MAX_CALIBRATION_IMAGES` of the run's training images.

    Raises:
        ValueError: they cannot be read.
    """
    try:
        _, dataset = run_split(checkpoint, student, "train")
    except DataError as error:
        raise ValueError(
            f"{error} Name a folder of RGB images to calibrate on, as in --int8 FOLDER."
        ) from None
    chosen = evenly_spaced(len(dataset), MAX_CALIBRATION_IMAGES)
    samples = (dataset.read(dataset.ids[index], with_x=False) for index in chosen)
    return (sample.image.permute(1, 2, 0).numpy() for sample in samples)


def run_split(
    checkpoint: Path, student: Student, split: Literal["train", "val"]
) -> tuple[Data, SegDataset]:
    """Settings and data set of the run.

    Raises:
        DataError: the recipe or the data cannot be read, or have other classes.
    """
    recipe = RunFolder.of(checkpoint).recipe
    if not recipe.is_file():
        raise DataError(f"The run's data are unknown, because {recipe} is missing.", recipe)
    try:
        data = Recipe.load(recipe).data.model_copy(update={"size": student.spec.size})
        dataset = open_dataset(data, split)
    except (ValueError, OSError) as error:
        raise DataError(f"The run's data cannot be read: {error}", recipe) from None
    if dataset.classes != student.spec.classes:
        raise DataError(f"{data.root} has other classes than the student.", data.root)
    return data, dataset


@torch.inference_mode()
def miou(
    students: list[Student],
    loader: Any,
    left_out: Sequence[int],
    progress: Callable[[int, int], None] | None,
) -> list[float]:
    """The mIoU of each student, in [0, 1], over the batches of a loader.

    Args:
        students: what is scored.
        loader: batches of `image` and `target`.
        left_out: classes that are not scored.
        progress: called with the number of evaluated batches, and of all batches.
    """
    counters = [confusion_matrix(len(s.spec.classes), sync_on_compute=False) for s in students]
    for done, batch in enumerate(loader, start=1):
        for student, counter in zip(students, counters, strict=True):
            counter.update(student.logits(batch["image"]).argmax(dim=1), batch["target"])
        if progress is not None:
            progress(done, len(loader))
    return [scores(counter.compute(), left_out).mIoU for counter in counters]
