"""The commands of a trained student. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lix.cli.arguments import parse_size
from lix.core.console import label, print_table, progress_bar, say
from lix.core.registry import entries

if TYPE_CHECKING:
    from lix.deploy.predict import Predictions

Student = Annotated[Path, Parameter(help="Run folder, .ckpt, .safetensors, .onnx or .xml file.")]
ENGINES = ", ".join(entries("backends"))
Engine = Annotated[
    str,
    Parameter(
        help=f"What computes: {ENGINES}, or auto, the engine of the file's suffix, else torch. A "
        "checkpoint for another engine is exported first."
    ),
]
Provider = Annotated[
    str | None,
    Parameter(
        help="Execution provider of ONNX Runtime, such as cuda, tensorrt, coreml, directml or cpu; "
        "default: cuda if it is there, else cpu."
    ),
]


def predict(
    checkpoint: Student,
    source: Path,
    *,
    output: Path = Path("predictions"),
    size: str = "train",
    tile: str | None = None,
    confidence: bool = False,
    labels: bool = False,
    opacity: float = 0.5,
    legend: Annotated[bool, Parameter(negative="--no-legend")] = True,
    engine: Engine = "auto",
    provider: Provider = None,
    threads: int = 1,
) -> None:
    """Segment an image, a folder of images or a video with a student, from only RGB.

    A second call continues the first: an image is skipped if its results were made from the same
    image, checkpoint and options, which they carry as a hash.

    Args:
        source: image, folder or video.
        output: folder for overlays and label images.
        size: `train` (the size it was trained at), `native` (the image's own) or HEIGHTxWIDTH.
        tile: HEIGHTxWIDTH of overlapping windows that the network sees of a picture at its own
            size, for a network trained on crops. With `--size native` pictures of more than 4
            megapixels are segmented in tiles of 1024x1024 unless this says otherwise; a tile larger
            than the picture shows it in one piece.
        confidence: also write a map of the highest class probability.
        labels: of a video also write NAME_label.mkv, without loss: grey values are the classes.
        opacity: opacity of the class colours over the image, from 0 to 1.
        legend: also write legend.png and classes.json, which say what the colours mean.
        threads: number of threads of the network on the CPU.
    """
    from lix.deploy.predict import predict as run

    with progress_bar() as bars:
        task = bars.add_task(label(source.name), total=None)
        done = run(
            checkpoint,
            source,
            output,
            size="train" if size == "train" else "native" if size == "native" else parse_size(size),
            tile=None if tile is None else parse_size(tile),
            confidence=confidence,
            labels=labels,
            opacity=opacity,
            legend=legend,
            engine=engine,
            provider=provider,
            threads=threads,
            progress=lambda done, total: bars.update(task, completed=done, total=total or None),
        )
    _tell(done, source, output)


def _tell(done: Predictions, source: Path, output: Path) -> None:
    """Say what was written, and what was not."""
    from lix.deploy.image_files import kinds_of, left_out
    from lix.deploy.student import OWN_TILE

    before = f"; {done.skipped} images were done before" if done.skipped else ""
    say(f"{len(done.files)} files in {output}{before}")
    if done.tiled:
        height, width = OWN_TILE
        say(f"segmented in tiles of {height}x{width}, as too large for one piece: {done.tiled}")
    if source.is_dir() and (others := left_out(source, output)):
        say(f"left out, as lix cannot read their format: {len(others)} ({kinds_of(others)})")


def export(
    checkpoint: Annotated[Path, Parameter(help="Run folder, .ckpt or .safetensors file.")],
    output: Path = Path("student.onnx"),
    *,
    int8: tuple[Path, ...] | None = None,
    web: Path | None = None,
    runtime: Path | None = None,
    download: bool = False,
) -> None:
    """Export a student to ONNX or OpenVINO, verified against PyTorch, or to safetensors.

    Args:
        output: file to write, .onnx, .xml (OpenVINO, with a .bin next to it) or .safetensors.
        int8: compute with 8-bit integers, calibrated on the RGB images of this folder or, without
            one, on the run's training images; the loss of mIoU is measured if the run's data exist.
        web: write no file but this folder, whose page index.html segments pictures and the
            camera's in any browser; also takes an .onnx file.
        runtime: for --web, folder or .tgz of npm's onnxruntime-web.
        download: for --web, let npm get onnxruntime-web.
    """
    if web is not None:
        say(_in_browser(checkpoint, web, runtime, download, int8))
    elif runtime is not None or download:
        raise ValueError("--runtime and --download belong to --web; name its folder.")
    elif int8 is not None:
        say(_quantised(checkpoint, output, int8))
    else:
        from lix.deploy.backend import backend, backend_of

        say((backend_of(output) or backend("onnx")).write(checkpoint, output))


def _in_browser(
    checkpoint: Path,
    folder: Path,
    runtime: Path | None,
    download: bool,
    int8: tuple[Path, ...] | None,
) -> object:
    from lix.deploy.web import export_web

    if int8 is not None:
        raise ValueError(
            "--web takes no --int8; write the file first, and then: lix export FILE.onnx --web "
            f"{folder}"
        )
    return export_web(checkpoint, folder, runtime=runtime, download=download)


def _quantised(checkpoint: Path, output: Path, folders: tuple[Path, ...]) -> object:
    from lix.deploy.backend import backend, backend_of
    from lix.deploy.quantise import quantise

    if backend_of(output) is backend("torch"):
        raise ValueError("--int8 writes ONNX or OpenVINO; name a file such as student.onnx.")
    if len(folders) > 1:
        raise ValueError(f"--int8 takes one folder, not {len(folders)}; put the images into one.")
    with progress_bar() as bars:
        task = bars.add_task("mIoU in int8", total=None)
        return quantise(
            checkpoint,
            output,
            images=folders[0] if folders else None,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )


def bench(
    checkpoint: Student,
    *,
    size: str = "train",
    batch: int = 1,
    engine: Engine = "auto",
    provider: Provider = None,
    threads: int = 1,
    runs: int = 30,
    int8: tuple[Path, ...] | None = None,
) -> None:
    """Measure latency, throughput and memory of a student's network on this machine.

    Args:
        size: `train` (the size it was trained at) or HEIGHTxWIDTH.
        batch: images at a time.
        threads: number of CPU threads.
        runs: number of batches that are timed.
        int8: instead, compare all engines with floats and with 8-bit integers: mIoU, latency, size.
            One file is calibrated on the run's training images, one more on the images of each
            folder named here, all RGB, such as unlabelled frames.
    """
    from rich.console import Console

    if int8 is not None:
        if (size, batch, engine, provider) != ("train", 1, "auto", None):
            raise ValueError(
                "--int8 compares all engines; leave out size, batch, engine, provider."
            )
        _compare_formats(checkpoint, int8, threads, runs)
        return
    from lix.deploy.bench import bench as run

    with progress_bar() as bars:
        task = bars.add_task("runs", total=None)
        report = run(
            checkpoint,
            size=None if size == "train" else parse_size(size),
            batch=batch,
            engine=engine,
            provider=provider,
            threads=threads,
            runs=runs,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    print_table(Console(), report.rows, title=f"{checkpoint.name}: {report.conditions}")


def _compare_formats(checkpoint: Path, folders: tuple[Path, ...], threads: int, runs: int) -> None:
    from rich.console import Console

    from lix.deploy.formats import compare_formats

    with progress_bar() as bars:
        task = bars.add_task("mIoU and runs", total=None)
        found = compare_formats(
            checkpoint,
            folders,
            threads=threads,
            runs=runs,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    print_table(Console(), found.table, title=f"{checkpoint.name}: {found.conditions}")
    if found.why_unknown:
        say(f"The mIoU is unknown. {found.why_unknown}")
