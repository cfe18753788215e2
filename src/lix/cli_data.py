"""The `lix data` commands. What is heavy is imported by the command that needs it."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

data_app = App(name="data", help="Make data sets.")


@data_app.command
def streets(
    output: Path,
    *,
    images: int = 420,
    val_images: int | None = None,
    size: str = "96x320",
    seed: int = 0,
    world: str = "town",
    workers: int = 1,
) -> None:
    """Write Procedural Streets in Virtual KITTI 2's layout.

    Args:
        output: folder to write.
        images: number of streets, training and validation together.
        val_images: how many of them are for validation; default: two of seven.
        size: HEIGHTxWIDTH in pixels.
        seed: of the first street.
        world: palette, density and camera: `town` or `highway`.
        workers: processes.
    """
    from rich.progress import Progress

    from lix.data.streets import write_streets

    with Progress(transient=True) as progress:
        task = progress.add_task("streets", total=images)
        write_streets(
            output,
            images=images,
            size=parse_size(size),
            seed=seed,
            world=world,
            val_images=val_images,
            workers=workers,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    print(f"{output}: {images} streets; train with --data.name vkitti2 --data.root {output}")


def parse_size(text: str) -> tuple[int, int]:
    """`96x320` → (96, 320).

    Raises:
        ValueError: another form.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise ValueError(f"A size is written HEIGHTxWIDTH, as in 96x320; got {text!r}.")
    return int(height), int(width)
