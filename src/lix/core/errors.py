"""Errors that a user can correct, and their text: one sentence that names the fix."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

MAX_CHOICES_SHOWN = 60
"""Maximum number of choices listed in an error message."""
MAX_FOREIGN_LENGTH = 300
"""Maximum number of characters shown of a message that another library wrote."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)

OF_ALLOCATORS = ("out of memory", "allocate memory", "bad_alloc")
"""Words in errors of libraries that got no memory."""
OF_WORKERS = {
    "shared memory": "The shared memory (/dev/shm) is too small for the processes that load data; "
    "set training.workers to 0 or give it more, as `docker run --shm-size 1g` does, and continue "
    "with --resume.",
    "DataLoader worker (pid": "A process that loads data died, often for lack of memory; lower "
    "training.workers and continue with --resume.",
}
"""Words in PyTorch's errors about loading processes → what to do."""


class UserError(ValueError):
    """An error that the user can correct.

    Args:
        message: one sentence that names the file and the fix.
        path: the file, where there is one.
        kind: a fixed word by which code can tell this kind of error from others.
        values: the values that are wrong.
    """

    def __init__(
        self,
        message: str,
        path: Path | None = None,
        *,
        kind: str = "",
        values: Sequence[object] = (),
    ) -> None:
        super().__init__(message)
        self.path, self.kind, self.values = path, kind, tuple(values)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all attributes, so that processes can pass it on."""
        return _rebuilt, (type(self), str(self), self.path, self.kind, self.values)


def _rebuilt(
    cls: type[UserError], message: str, path: Path | None, kind: str, values: Sequence[object]
) -> UserError:
    return cls(message, path, kind=kind, values=values)


class DataError(UserError):
    """A file of a data set that cannot be used."""


def unknown(kind: str, name: str, choices: Sequence[str]) -> str:
    """One sentence that says `name` is unknown, with the nearest choice and all choices."""
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    more = ", …" if len(choices) > MAX_CHOICES_SHOWN else ""
    shown = ", ".join(choices[:MAX_CHOICES_SHOWN]) + more
    return f"Unknown {kind} {name!r}.{hint} Choose from {shown}."


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Check that an argument has one of the values that it may have.

    Args:
        name: the argument's name, as the message calls it.
        value: what was given.
        choices: the values that are allowed, in the order in which the message lists them.

    Raises:
        ValueError: another value; the message names the nearest choice and all of them.

    >>> check_choice("side", "studnet", ("student", "teacher"))
    Traceback (most recent call last):
    ValueError: Unknown side 'studnet'. Did you mean 'student'? Choose from student, teacher.
    """
    if value not in list(choices):
        raise ValueError(unknown(name, str(value), [str(choice) for choice in choices]))


def require(extra: str, *modules: str) -> None:
    """Check that the modules of an optional extra of lix are installed.

    Raises:
        ModuleNotFoundError: one is missing; the message says how to install it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ModuleNotFoundError(
            f'{" and ".join(missing)} missing; install the extra with: pip install "lix[{extra}]"',
            name=missing[0],
        )


def one_line(error: BaseException, length: int = MAX_FOREIGN_LENGTH) -> str:
    """The beginning of a message that another library wrote, without line breaks."""
    return " ".join(str(error).split())[:length]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of an accelerator was too small."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError | OSError) and any(w in text for w in OF_ALLOCATORS)


def explain(error: BaseException) -> str:
    """Explain an error in one sentence; errors of the machine get their fix.

    >>> explain(OSError(errno.ENOSPC, "No space left on device", "runs/a"))
    'No space left on the disk for runs/a; free some and run the command again (with --resume).'
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in (*NO_SPACE, *NO_PERMISSION):
        return _explain_disk(error)
    if is_out_of_memory(error):
        return "Out of memory; lower optim.batch_size or data.size."
    for words, sentence in OF_WORKERS.items():
        if words in text:
            return sentence
    if "in DataLoader worker process" in text:
        last = str(error).strip().splitlines()[-1]
        return re.sub(r"^[\w.]*(Error|Exception): ", "", last)
    if isinstance(error, RuntimeError):
        return f"{one_line(error)} (LIX_DEBUG=1 shows where.)"
    return text


def _explain_disk(error: OSError) -> str:
    if error.errno in NO_SPACE:
        where = f" for {error.filename}" if error.filename else ""
        return (
            f"No space left on the disk{where}; free some and run the command again (with "
            "--resume)."
        )
    return (
        f"No permission for {error.filename or error} ({error.strerror}); change its permissions "
        "or choose another path."
    )
