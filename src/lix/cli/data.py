"""The `lix data` commands. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from lix.cli.arguments import parse_seconds, parse_size
from lix.core.console import label, progress_bar, say
from lix.runs.settings import Data

data_app = App(name="data", help="Make, check and split data sets.")


@data_app.command
def streets(
    output: Path,
    *,
    images: int = 420,
    val_images: int | None = None,
    size: str = "96x320",
    seed: int = 0,
    world: str = "town",
    lidar: bool = False,
    workers: int = 1,
) -> None:
    """Write Procedural Streets in Virtual KITTI 2's layout.

    Args:
        output: folder to write.
        images: number of streets, training and validation together.
        val_images: number of streets for validation; default: two of seven.
        size: HEIGHTxWIDTH in pixels.
        seed: seed of the whole set.
        world: palette, density and camera: `town` or `highway`.
        lidar: also write the point clouds of a simulated LiDAR, and calib.yaml.
        workers: number of processes.
    """
    from lix.streets import StreetPlan, write_streets

    plan = StreetPlan(images, parse_size(size), seed, world, val_images)
    with progress_bar() as progress:
        task = progress.add_task("streets", total=images)
        write_streets(
            output,
            plan,
            lidar=lidar,
            workers=workers,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    say(f"{output}: {images} streets; train with --data.name vkitti2 --data.root {output}")


@data_app.command
def depth(
    root: Path,
    *,
    engine: str = "sgbm",
    left: str | None = None,
    right: str | None = None,
    output: Path | None = None,
    model: str | None = None,
    download: bool = False,
    max_disparity: int | None = None,
    fill: Annotated[bool | None, Parameter(negative="--no-fill")] = None,
    points: str | None = None,
    calibration: str | None = None,
    poses: str | None = None,
    sweeps: int | None = None,
    sparse: bool = False,
    guided: bool = False,
    threads: int = 1,
) -> None:
    """Make depth or disparity of a data set's images; a second call continues the first.

    Args:
        root: the data set's folder.
        engine: sgbm (stereo pairs, OpenCV), depth-anything (single images), onnx (any model) or
            lidar (point clouds).
        left: images, as in 'images/left/*.jpg', relative to the root; default: the data set's.
        right: images of the right camera; wildcards match the same text as in --left.
        output: folder to write; default: x-ENGINE in the root.
        model: of depth-anything a folder or a name on huggingface.co, of onnx a YAML file.
        download: let depth-anything download its model.
        max_disparity: largest disparity in pixels that sgbm tries; default: an eighth of the width.
        fill: let sgbm fill holes with the background next to them (on).
        points: point clouds of lidar, as in 'velodyne/*.bin'; wildcards match as in --left.
        calibration: of lidar a YAML file, KITTI's file or folder, or files, as in 'calib/*.txt'.
        poses: file of lidar's poses, to move sweeps to the moment of an image.
        sweeps: number of lidar's sweeps for an image (1); more need --poses.
        sparse: let lidar keep only the pixels that a point falls into.
        guided: let lidar put the borders of surfaces where the image has them.
        threads: number of threads of the engine.
    """
    from lix.tools.depth import build_engine, make_depth

    lidar = {"points": points, "calibration": calibration, "poses": poses, "sweeps": sweeps}
    lidar |= {"sparse": sparse or None, "guided": guided or None}
    options = {"model": model, "download": download or None, "threads": threads, **lidar}
    chosen_engine = build_engine(engine, max_disparity=max_disparity, fill=fill, **options)
    with progress_bar() as bars:
        task = bars.add_task(label(engine), total=None)
        report = make_depth(
            root,
            chosen_engine,
            left=left,
            right=right,
            output=output,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    say(report)


@data_app.command
def extract(
    bag: Path,
    output: Path | None = None,
    *,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    image: str | None = None,
    x: str | None = None,
    calibration: Path | None = None,
    odometry: str | None = None,
    every: str = "0",
    max_gap: str = "0.05",
    min_motion: float = 0.0,
    sparse: bool = False,
    guided: bool = False,
) -> None:
    """Write pairs of image and depth from a ROS bag; a second call continues the first.

    Args:
        bag: .bag of ROS 1; .db3, .mcap or the folder of ROS 2.
        output: folder to write: rgb/, depth/ and drive.yaml.
        list_: only show topics, their rates, and how well they pair.
        image: topic of the images; default: the only one.
        x: topic of depth images or point clouds; default: the only one, depth images first.
        calibration: YAML file in place of the bag's CameraInfo and tf.
        odometry: topic of poses by which points are moved to the time of the image.
        every: smallest time between two pairs, as in 0.5s; default: all.
        max_gap: largest time between an image and its partner.
        min_motion: smallest mean change of grey (0 to 255) since the last pair, such as 2.
        sparse: keep only the pixels that a point falls into.
        guided: put the borders of surfaces where the image has them.
    """
    from rich.console import Console

    from lix.tools.extract.listing import show
    from lix.tools.extract.run import Options
    from lix.tools.extract.run import extract as run

    gap = parse_seconds("--max-gap", max_gap)
    if list_:
        show(bag, Console(), gap)
        return
    if output is None:
        raise ValueError("Name the folder to write, as in lix data extract BAG drive.")
    motion = {"every": parse_seconds("--every", every), "max_gap": gap, "min_motion": min_motion}
    options = Options(image, x, calibration, odometry, **motion, sparse=sparse, guided=guided)
    with progress_bar() as bars:
        task = bars.add_task(label(bag.name), total=None)
        report = run(bag, output, options, progress=lambda done: bars.update(task, completed=done))
    say(report)


@data_app.command
def check(
    path: Path,
    *,
    name: str | None = None,
    options: dict[str, Any] = {},  # noqa: B006
    train: dict[str, Any] = {},  # noqa: B006
    val: dict[str, Any] = {},  # noqa: B006
    images: int | None = None,
    output: Path = Path("check"),
) -> None:
    """Read every frame of a data set, report errors with their fix, and write check.html.

    The exit code is 1 if there is an error among the findings.

    Args:
        path: the data set's folder, or the YAML file that describes your own.
        name: which data set; default: the one that has the folder's layout.
        options: options of the loader, as in `--options.lists all`.
        train: options of the training split.
        val: options of the validation split.
        images: number of evenly spaced frames to read of each split; default: all.
        output: folder for check.html, outside of the data.
    """
    from rich.progress import Progress

    from lix.tools.check.run import check as run

    data = Data(options=options, train=train, val=val)
    with Progress(transient=True) as progress:
        bar = progress.add_task("reading", total=None)
        findings = run(
            path,
            name=name,
            options=data.options,
            own={"train": data.train, "val": data.val},
            images=images,
            output=output,
            console=progress.console,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    if any(finding.severity == "error" for finding in findings):
        raise SystemExit(1)


@data_app.command
def split(
    path: Path,
    output: Path,
    *,
    val_share: float = 0.2,
    salt: str = "",
    name: str | None = None,
    options: dict[str, Any] = {},  # noqa: B006
    force: bool = False,
) -> None:
    """Write train.txt and val.txt: frames by the hash of their names, sequences kept together.

    Args:
        path: the data set's folder, or the YAML file that describes your own.
        output: folder for the lists.
        val_share: share of validation.
        salt: any text; another text gives another split.
        name: which data set; default: the one that has the folder's layout.
        options: options of the loader.
        force: replace other lists that exist.
    """
    from lix.data.splits import split_names
    from lix.tools.recognise import recognise
    from lix.tools.split import frames_of, how_to_use, write_lists

    recognised = recognise(path, name)
    names, sequence = frames_of(recognised, path, Data(options=options).options)
    parts = split_names(names, val_share, sequence=sequence, salt=salt)
    write_lists(output, *parts, force=force)
    for part, frames in zip(("train", "val"), parts, strict=True):
        drives = len({sequence(frame) for frame in frames})
        say(
            f"{output / part}.txt: {len(frames)} frames ({len(frames) / len(names):.0%}) of "
            f"{drives} sequence(s)"
        )
    if len(set(map(sequence, names))) == 1:
        say(
            "No sequences recognised in the file names: if the frames come from one video, "
            "neighbouring frames may end up in both splits."
        )
    say(f"To use them {how_to_use(recognised, path, output)}.")
