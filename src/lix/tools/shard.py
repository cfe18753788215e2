"""`lix data shard`: a data set's images and X in a few large files, in WebDataset's form."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from lix.core.errors import DataError
from lix.core.files import atomic_write, folder_lock, write_text
from lix.data.archives import members, read_bytes
from lix.data.dataset import SegDataset
from lix.data.splits import hashed
from lix.data.x_files import XFiles
from lix.runs.data import open_dataset
from lix.runs.settings import Data
from lix.tools.recognise import recognise_drive

IMAGE, X = "rgb", "x"
"""What the suffixes of a frame's files begin with, as in `7.rgb.jpg`, `7.x.png`."""

Progress = Callable[[int, int], None]
"""Called with the number of finished shards, and of all shards."""


@dataclass(frozen=True)
class Report:
    """What `shard` has done."""

    output: Path
    frames: int
    written: int
    """Number of shards that were written."""
    kept: int
    """Number of shards that were there before."""

    def __str__(self) -> str:
        return (
            f"{self.output}: {self.frames} frames, {self.written} shards written, {self.kept} "
            f"kept; train with --unlabelled.name folder --unlabelled.root {self.output}"
        )


def shard(
    root: Path,
    output: Path,
    *,
    frames_per_shard: int = 1000,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write `drive-00000.tar` and so on, and `lix.yaml`, which describes them.

    Files are copied as they are. Frames are put in the order of the hash of their names, so that
    neighbours of a video are in different shards. Shards that exist are kept: a second call
    continues the first.

    Args:
        root: the drive, as `unlabelled.root`; labels are left out.
        output: folder to write.
        frames_per_shard: frames in each shard but the last.
        name: loader of the drive; default: the one that has its layout, or plain images.
        options: options of the loader, such as `x`.
        progress: called after every shard.

    Raises:
        FileNotFoundError, ValueError: the drive is wrong, two frames get one name, or the folder
            holds shards of other frames; a DataError names a missing file.
        OSError: the output cannot be written.
    """
    if frames_per_shard < 1:
        raise ValueError(f"--frames is {frames_per_shard}; give 1 or more.")
    name = recognise_drive(root, name)
    drive = open_dataset(
        Data(name=name, root=root, options=dict(options or {})), "train", labelled=False
    )
    if drive.x_sources:
        drive.require_x()
    keys = _keys(drive)
    frames, step = hashed(drive.ids), frames_per_shard
    shards = [frames[start : start + step] for start in range(0, len(frames), step)]
    kept = 0
    with folder_lock(output):
        for number, part in enumerate(shards):
            path = output / f"drive-{number:05d}.tar"
            files = _files(drive, keys, part)
            if path.is_file():
                _require_same(path, list(files))
                kept += 1
            else:
                _write(path, files)
            if progress is not None:
                progress(number + 1, len(shards))
        write_text(output / "lix.yaml", yaml.safe_dump(_description(drive), sort_keys=False))
    return Report(output, len(frames), len(shards) - kept, kept)


def _keys(drive: SegDataset) -> dict[str, str]:
    """Frame → key, which ends at the first dot of its last part in WebDataset."""
    keys: dict[str, str] = {}
    for frame in drive.ids:
        folder, slash, last = frame.rpartition("/")
        keys[frame] = f"{folder}{slash}{last.replace('.', '_')}"
    if len(set(keys.values())) < len(keys):
        raise ValueError(f"Two frames of {drive.root} differ only by a dot; rename one.")
    return keys


def _files(drive: SegDataset, keys: Mapping[str, str], frames: Sequence[str]) -> dict[str, Path]:
    """Name in the shard → file."""
    suffixes = [X] if len(drive.x_sources) == 1 else [f"{X}{i}" for i in range(len(drive.x))]
    files = {}
    for frame in frames:
        paths = [drive.image_path(frame), *(source.path(frame) for source in drive.x_sources)]
        for suffix, path in zip([IMAGE, *suffixes], paths, strict=True):
            files[f"{keys[frame]}.{suffix}{path.suffix.lower()}"] = path
    return files


def _write(path: Path, files: Mapping[str, Path]) -> None:
    with atomic_write(path) as part, tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, file in files.items():
            content = _content(file)
            entry = tarfile.TarInfo(name)  # of no time and no owner: the same on every machine
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))


def _content(file: Path) -> bytes:
    try:
        return read_bytes(file)
    except FileNotFoundError:
        raise DataError(f"{file} is missing; restore it, or take it out of the list.") from None


def _require_same(path: Path, names: Sequence[str]) -> None:
    if list(members(path)) != list(names):
        raise ValueError(
            f"{path} holds other frames; choose another folder, or the drive and --frames with "
            "which it was begun."
        )


def _description(drive: SegDataset) -> dict[str, Any]:
    """The entries of the YAML by which the loader `folder` reads the shards."""
    suffixes = [X] if len(drive.x_sources) == 1 else [f"{X}{i}" for i in range(len(drive.x))]
    files: dict[str, Any] = {"image": f"*.tar/**/*.{IMAGE}.*"}
    entries: dict[str, Any] = {"files": files}
    if drive.x_sources:
        files["x"] = [f"*.tar/**/*.{suffix}.*" for suffix in suffixes]
        entries["x"] = [_x_entry(drive, source) for source in drive.x_sources]
    matrices = [drive.intrinsics(frame) for frame in drive.ids]
    first = matrices[0]
    if first is not None and all(m is not None and m.equal(first) for m in matrices):
        entries["intrinsics"] = [float(first[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))]
    return entries


def _x_entry(drive: SegDataset, source: Any) -> dict[str, Any]:
    files = getattr(source, "files", None)
    if not isinstance(files, XFiles):
        raise ValueError(  # noqa: TRY004 - what the user named is a wrong value
            f"The X of {drive.root} is not in files of its own; name folders of X under options.x."
        )
    return files.model_dump(mode="json", exclude_defaults=True)
