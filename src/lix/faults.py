"""What the machine refuses, as one sentence with the fix."""

from __future__ import annotations

import errno
import re

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
LONGEST = 400
"""Characters of a sentence that others wrote."""


def sentence(error: BaseException) -> str:
    """Say an error in one line; what the machine refuses gets its fix.

    >>> sentence(OSError(errno.ENOSPC, "No space left on device", "runs/a"))
    'No room is left on the disk for runs/a; make some and run the command again (with --resume).'
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in (*FULL, *REFUSED):
        return _of_the_disk(error)
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "The memory is too small; lower optim.batch_size or data.size."
    if "DataLoader worker (pid" in text:
        return (
            "A process that loads data died, often for lack of memory; lower training.workers and "
            "go on with --resume."
        )
    if "in DataLoader worker process" in text:
        last = str(error).strip().splitlines()[-1]
        return re.sub(r"^[\w.]*(Error|Exception): ", "", last)
    if isinstance(error, RuntimeError):
        return f"{text[:LONGEST]} (LIX_DEBUG=1 shows where.)"
    return text


def _of_the_disk(error: OSError) -> str:
    if error.errno in FULL:
        where = f" for {error.filename}" if error.filename else ""
        return (
            f"No room is left on the disk{where}; make some and run the command again (with "
            "--resume)."
        )
    return (
        f"{error.filename or error} is closed to you ({error.strerror}); change its permissions or "
        "choose another path."
    )
