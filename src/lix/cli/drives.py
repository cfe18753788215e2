"""The `lix data` commands for unlabelled drives. Heavy modules are imported by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lix.core.console import label, progress_bar, say
from lix.runs.settings import Data


def select(
    unlabelled: Path,
    output: Path = Path("selected"),
    *,
    teacher: Path,
    student: Path,
    count: int,
    name: str | None = None,
    options: dict[str, Any] = {},  # noqa: B006
    batch_size: int = 8,
    workers: int = 0,
) -> None:
    """List the unlabelled frames that teach a student most, and those worth labelling by hand.

    A second call continues the first; with another --count it needs no network.

    Args:
        unlabelled: the drive, as --unlabelled.root of a training.
        output: folder for train.txt, which --unlabelled.options.lists reads, and label.txt.
        teacher: run folder or checkpoint of the teacher.
        student: run folder or checkpoint of a student with the same classes.
        count: number of frames in each list.
        name: which data set; default: the one that has the folder's layout, or plain images.
        options: options of the loader, as in `--options.x drive/depth`.
        batch_size: frames that the networks see at once.
        workers: number of processes that read frames.
    """
    from lix.tools.select import select as run

    with progress_bar() as bars:
        task = bars.add_task(label(unlabelled.name), total=None)
        report = run(
            unlabelled,
            output,
            teacher=teacher,
            student=student,
            count=count,
            name=name,
            options=Data(options=options).options,
            batch_size=batch_size,
            workers=workers,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    say(report)


def shard(
    root: Path,
    output: Path,
    *,
    frames: int = 1000,
    name: str | None = None,
    options: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Copy a drive's images and X into .tar files, in WebDataset's form; a second call continues.

    Args:
        root: the drive, as --unlabelled.root of a training; labels are left out.
        output: folder to write.
        frames: number of frames in a shard.
        name: which data set; default: the one that has the folder's layout, or plain images.
        options: options of the loader, as in `--options.x drive/depth`.
    """
    from lix.tools.shard import shard as run

    with progress_bar() as bars:
        task = bars.add_task(label(root.name), total=None)
        report = run(
            root,
            output,
            frames_per_shard=frames,
            name=name,
            options=Data(options=options).options,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    say(report)
