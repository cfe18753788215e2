"""Files that are written whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lend a temporary path beside `path`, which takes its place if the block ends well.

    Makes the folder. Whatever stood at `path` stays as it was until then, and for good if the
    block fails.

    Raises:
        OSError: the folder or the file cannot be written; the message names it.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"{path} cannot be written ({reason}); choose another output or make room there."
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes that ask the same out of a folder, until the block or the process ends.

    Raises:
        ValueError: another process is in it.
        OSError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written ({error.strerror}); choose another output."
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another process trains in {folder}; wait for it, or choose another --output."
            ) from None
        yield
    finally:
        os.close(handle)


def taken(folder: Path) -> bool:
    """Whether a process is in the block of `alone` with this folder."""
    if not folder.is_dir():
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def sync(path: Path) -> None:
    """Force a file or a folder's entries to disk, so that a power loss does not undo them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot sync a folder
            os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
        sync(part)
