"""Files that are written whole or not at all."""

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
