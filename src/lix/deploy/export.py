"""A student → an ONNX file for any batch, height and width, checked against PyTorch."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from lix import __version__
from lix.core.errors import require
from lix.core.files import atomic_write
from lix.core.onnx import PROVIDERS, open_session
from lix.core.onnx_file import CHECKSUM, UNSEALED, seal
from lix.deploy.student import Logits, load_student
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import NetworkSpec

TOLERANCE = 1e-3
"""Largest difference to PyTorch that is allowed, as a share of the largest absolute logit."""

AGREEMENT = 0.9999
"""Smallest share of pixels that must get PyTorch's class or one that ties with it."""

TIE = 1e-4
"""Two classes tie if PyTorch's logits of them are closer than this share of the largest one:
rounding can reverse so small a difference."""

MIN_STEP = 32
"""Pixels; pictures to trace and to compare are at least twice as high and wide, so that no network
is too deep for them."""

Shape = tuple[int, int, int]
"""Batch, height, width."""


@dataclass(frozen=True)
class ExportReport:
    """An exported file, and how it compares with PyTorch over all `shapes`."""

    path: Path
    engine: str
    """Name of the engine that was compared."""
    opset: int
    shapes: tuple[Shape, ...]
    difference: float
    """Largest absolute difference of a logit."""
    scale: float
    """Largest absolute logit."""
    agreement: float
    """Share of pixels that get the same class."""
    agreement_or_tie: float
    """Share of pixels that get the same class or one that ties with it in PyTorch."""

    def __str__(self) -> str:
        return (
            f"{self.path}: opset {self.opset}; {self.engine} against PyTorch at "
            f"{len(self.shapes)} sizes: largest difference {self.difference:.1e} (of logits up to "
            f"{self.scale:.1f}), {100 * self.agreement:.2f} % of pixels get the same class"
            + (f", {100 * self.ties:.4f} % tie" if self.ties else "")
        )

    @property
    def instead(self) -> str:
        """What to do where the logits differ too much."""
        return "try another opset" if self.path.suffix == ".onnx" else "export an .onnx file"

    @property
    def ties(self) -> float:
        """Share of pixels that get another class, one that ties with PyTorch's."""
        return self.agreement_or_tie - self.agreement


class LogitsOnly(nn.Module):
    """A student with one input and one output, as the ONNX file has them."""

    def __init__(self, network: SegNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] → (B, K, H, W) logits."""
        logits: Tensor = self.network(image).logits
        return logits


def export_onnx(checkpoint: Path, output: Path, *, opset: int | None = None) -> ExportReport:
    """Write a student as ONNX and compare it with PyTorch in ONNX Runtime.

    Input `image`: (B, 3, H, W) float32 RGB in [0, 1], H and W multiples of the network's
    `size_divisor`. Output `logits`: (B, K, H, W) before softmax. The metadata hold `classes`,
    `palette`, `size` (H, W of training), `size_divisor`, `network` and `lix_version`, as JSON, and
    `lix_checksum`, which every load verifies.

    Args:
        checkpoint: run folder or checkpoint of a student.
        output: the file; written only if the comparison succeeds.
        opset: version of ONNX's operator set; default: the exporter's choice.

    Raises:
        ModuleNotFoundError: the extra `export` is missing.
        FileNotFoundError: no checkpoint.
        ValueError: a teacher's checkpoint, a network or opset that cannot be exported, logits that
            differ from PyTorch's, or other classes for more than one pixel in 10,000 (not counting
            ties).
        OSError: the output cannot be written.
    """
    require("export", "onnx", "onnxscript", "onnxruntime")
    import onnx

    output = Path(output)
    if output.is_dir():
        raise ValueError(f"{output} is a folder; name a file such as {output / 'student.onnx'}.")
    network, spec = load_student(checkpoint)
    model = LogitsOnly(network).eval()
    # The slow translation comes after the folder is known to be writable.
    with atomic_write(output) as part:
        program = _translate(model, opset)
        program.model.metadata_props.update(_metadata(network, spec))
        program.save(part)
        seal(part)
        onnx.checker.check_model(part, full_check=True)
        session = open_session(part, providers=PROVIDERS[1:])
        return compared(
            network,
            spec,
            output,
            lambda image: torch.from_numpy(session.run(["logits"], {"image": image.numpy()})[0]),
            engine="ONNX Runtime",
            opset=program.model.opset_imports[""],
        )


def compared(
    network: SegNetwork,
    spec: NetworkSpec,
    output: Path,
    logits: Logits,
    *,
    engine: str,
    opset: int,
) -> ExportReport:
    """Compare a file's logits with PyTorch's.

    Args:
        network: the student that it was exported from.
        spec: description of the network.
        output: the file that report and messages name.
        logits: what computes those of the file.
        engine: name of what computes them.
        opset: version of the operator set of the ONNX file.

    Raises:
        ValueError: the logits differ, or the classes of more than one pixel in 10,000.
    """
    model, shapes = LogitsOnly(network).eval(), _shapes(network, spec)
    report = ExportReport(output, engine, opset, shapes, *_compare(model, logits, shapes))
    _require_equal(report)
    return report


def _require_equal(report: ExportReport) -> None:
    if not report.difference <= TOLERANCE * report.scale:
        raise ValueError(
            f"{report.path} was not written: its logits differ from PyTorch's by up to "
            f"{report.difference:.2g} (largest logit {report.scale:.2g}); {report.instead}."
        )
    if report.agreement_or_tie < AGREEMENT:
        raise ValueError(
            f"{report.path} was not written: only {100 * report.agreement_or_tie:.3f} % of pixels "
            f"get PyTorch's class or one that ties with it; {report.instead}."
        )


def _translate(model: LogitsOnly, opset: int | None) -> torch.onnx.ONNXProgram:
    divisor = model.network.size_divisor
    height, width = divisor * Dim("h"), divisor * Dim("w")
    step = _step(model.network)
    try:
        with silence():
            program = torch.onnx.export(
                model,
                # A batch of 1 would become a constant.
                (torch.rand(2, 3, 2 * step, 3 * step),),
                input_names=["image"],
                output_names=["logits"],
                opset_version=opset,
                dynamo=True,
                external_data=False,
                dynamic_shapes=({0: Dim("batch"), 2: height, 3: width},),
                verbose=False,
                report=False,
            )
    except RuntimeError as error:
        name = type(model.network).__name__
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise ValueError(f"{name} cannot be exported to ONNX ({reason}).") from error
    assert program is not None
    if opset not in (None, program.model.opset_imports[""]):
        raise ValueError(f"This network cannot be written with opset {opset}; leave opset out.")
    return program


@contextmanager
def silence() -> Iterator[None]:
    """Keep the exporter's warnings, log lines and graphs from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _step(network: SegNetwork) -> int:
    """The smallest multiple of the size divisor that is not below `MIN_STEP`."""
    divisor = network.size_divisor
    return math.ceil(MIN_STEP / divisor) * divisor


def _shapes(network: SegNetwork, spec: NetworkSpec) -> tuple[Shape, ...]:
    """The training size, and batches and sizes that the exporter has not seen."""
    step = _step(network)
    others = ((1, 2 * step, 2 * step), (2, 4 * step, 3 * step), (3, 2 * step, 5 * step))
    return ((1, *spec.size), *others)


@torch.inference_mode()
def _compare(
    model: LogitsOnly, logits: Logits, shapes: Sequence[Shape]
) -> tuple[float, float, float, float]:
    """Largest difference and absolute value of the logits, agreement of classes, and with ties."""
    generator = torch.Generator().manual_seed(0)
    differences, scales, agreeing, margins = [], [], [], []
    for batch, height, width in shapes:
        image = torch.rand(batch, 3, height, width, generator=generator)
        expected = model(image)
        actual = logits(image)
        differences.append((actual - expected).abs().max())
        scales.append(expected.abs().max())
        best, chosen = expected.max(dim=1), actual.argmax(dim=1)
        agreeing.append((chosen == best.indices).flatten())
        margins.append((best.values - expected.gather(1, chosen[:, None])[:, 0]).flatten())
    scale, same = torch.stack(scales).max(), torch.cat(agreeing)
    return (
        torch.stack(differences).max().item(),
        scale.item(),
        same.double().mean().item(),
        (same | (torch.cat(margins) < TIE * scale)).double().mean().item(),
    )


def _metadata(network: SegNetwork, spec: NetworkSpec) -> dict[str, str]:
    facts = {
        "classes": spec.classes,
        "palette": spec.palette,
        "size": spec.size,
        "size_divisor": network.size_divisor,
        "network": spec.name,
        "lix_version": __version__,
    }
    return {name: json.dumps(fact) for name, fact in facts.items()} | {CHECKSUM: UNSEALED}
