"""How the C library keeps the memory that a step frees."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""


def keep_freed_memory() -> None:
    """Let glibc give freed memory out again instead of returning it to the system.

    Each training step on a CPU frees what the next one takes. Returned in between, every page of it
    is fetched and cleared anew, a tenth to a quarter of the step's time. Other C libraries stay as
    they are.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)
        set_option(M_MMAP_THRESHOLD, 2**25)
