"""A student → an ONNX file that computes with 8-bit integers, and what that costs in mIoU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lix.core.errors import UserError, require
from lix.core.files import atomic_write
from lix.data.sample import SegDataset
from lix.deploy.backend import open_student
from lix.deploy.export import export_onnx, silence
from lix.deploy.pictures import find_pictures, read_picture
from lix.deploy.student import Segmenter, Student
from lix.evaluation.evaluate import confusion_matrix
from lix.evaluation.metrics import scores
from lix.runs.data import evaluation_loader, open_dataset
from lix.runs.folder import RunFolder
from lix.runs.recipe import Data, Recipe

IMAGES = 64
"""At most so many calibrate, evenly spaced."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class QuantisationReport:
    """What was written, and its mIoU on the validation split of the run beside PyTorch's."""

    path: Path
    images: int
    """Number of those that it was calibrated on."""
    before: float | None
    """mIoU of PyTorch in [0, 1]; None where the data are not on this disk."""
    after: float | None
    """Of the file."""
    why_unknown: str = ""

    def __str__(self) -> str:
        made = f"{self.path}: int8, calibrated on {self.images} images; "
        if self.before is None or self.after is None:
            return f"{made}its loss of mIoU is not known, as {self.why_unknown}"
        return (
            f"{made}mIoU on the validation split {100 * self.after:.2f} %, in PyTorch "
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
    that they take on the calibration images). Input, output and metadata are those of
    `export_onnx`, plus `quantisation`.

    Args:
        checkpoint: run folder or checkpoint of a student.
        output: the file; written when all is done.
        images: folder of RGB images to calibrate on; default: the run's training images.
        progress: called with the number of batches that are evaluated and that of all.

    Raises:
        ModuleNotFoundError: the extra `export` is missing.
        FileNotFoundError: no checkpoint.
        ValueError: as `export_onnx`; no images to calibrate on, or damaged ones.
        OSError: the output cannot be written.
    """
    require("export", "onnx", "onnxscript", "onnxruntime")
    student = open_student(checkpoint, device="cpu")
    segmenter = Segmenter(student)
    pictures = _training_images(checkpoint, student) if images is None else _folder(images, output)
    batches = [segmenter.prepare(picture).numpy() for picture in pictures]
    with TemporaryDirectory() as folder, atomic_write(output) as part:
        exported = Path(folder) / "float.onnx"
        export_onnx(checkpoint, exported)
        _quantise(exported, part, batches)
        try:
            data, dataset = _split(checkpoint, student, "val")
        except UserError as error:
            return QuantisationReport(output, len(batches), None, None, str(error.values[0]))
        loader = evaluation_loader(data, dataset, with_x=False)
        before, after = _miou([student, open_student(part, device="cpu")], loader, progress)
    return QuantisationReport(output, len(batches), before, after)


def _quantise(source: Path, target: Path, batches: list[NDArray[np.float32]]) -> None:
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = source.with_name("prepared.onnx")
    with silence():
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            target,
            _Reader(batches),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibration_providers=["CPUExecutionProvider"],
        )
    model = onnx.load(target)
    model.metadata_props.add(key="quantisation", value='"int8"')
    onnx.save(model, target)


class _Reader:
    """As ONNX Runtime asks for calibration data."""

    def __init__(self, batches: list[NDArray[np.float32]]) -> None:
        self.batches = iter(batches)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next picture, None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def _folder(images: Path, output: Path) -> Iterator[Pixels]:
    if not images.is_dir():
        raise ValueError(f"{images} is no folder; name one of RGB images to calibrate on.")
    paths = find_pictures(images, without=output)
    return (np.asarray(read_picture(paths[i])) for i in _spaced(len(paths)))


def _training_images(checkpoint: Path, student: Student) -> Iterator[Pixels]:
    try:
        _, dataset = _split(checkpoint, student, "train")
    except UserError as error:
        raise ValueError(
            f"There is nothing to calibrate on, as {error.values[0]}; name a folder of RGB images: "
            "--int8 FOLDER"
        ) from None
    samples = (dataset.read(dataset.ids[i], with_x=False) for i in _spaced(len(dataset)))
    return (sample.image.permute(1, 2, 0).numpy() for sample in samples)


def _spaced(total: int) -> list[int]:
    return np.linspace(0, total - 1, min(total, IMAGES)).round().astype(int).tolist()


def _split(
    checkpoint: Path, student: Student, split: Literal["train", "val"]
) -> tuple[Data, SegDataset]:
    """Settings and data set of the run.

    Raises:
        UserError: they are not there; its `values` hold the reason as a clause.
    """
    recipe = RunFolder.of(checkpoint).recipe
    if not recipe.is_file():
        raise _no_data(f"{recipe}, which names the data, is missing")
    try:
        data = Recipe.load(recipe).data.model_copy(update={"size": student.spec.size})
        dataset = open_dataset(data, split)
    except (ValueError, OSError) as error:
        raise _no_data(f"the data are not here ({str(error).rstrip('.')})") from None
    if dataset.classes != student.spec.classes:
        raise _no_data(f"{data.root} has other classes than the student")
    return data, dataset


def _no_data(reason: str) -> UserError:
    return UserError(f"The student's data cannot be read: {reason}.", values=[reason])


@torch.inference_mode()
def _miou(
    students: list[Student], loader: Any, progress: Callable[[int, int], None] | None
) -> list[float]:
    counters = [confusion_matrix(len(s.spec.classes), sync_on_compute=False) for s in students]
    for done, batch in enumerate(loader, start=1):
        for student, counter in zip(students, counters, strict=True):
            counter.update(student.logits(batch["image"]).argmax(dim=1), batch["target"])
        if progress is not None:
            progress(done, len(loader))
    return [scores(counter.compute()).mIoU for counter in counters]
