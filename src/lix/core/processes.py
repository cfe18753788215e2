"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARENT = "LIX_PARENT"
"""Variable with the process id of the lix that started this one."""
POLL_SECONDS = 0.5
GRACE_SECONDS = 20


@contextmanager
def outside_of_current_folder() -> Iterator[None]:
    """Start processes in lix's own folder, as a module of the current one could pass for a library.

    `--allow-code` lets them start where they are.
    """
    before = Path.cwd()
    if not os.environ.get("LIX_ALLOW_CODE"):
        os.chdir(Path(__file__).parents[2])
    try:
        yield
    finally:
        os.chdir(before)


def end_worker_with_parent() -> None:
    """Let a worker of a pool end at once when its parent was killed; Ctrl-C is left to that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_pool, daemon=True).start()


def _wait_for_pool() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def end_with_lix() -> None:
    """Let this command end when the lix that started it, if one did, was killed."""
    parent = os.environ.get(PARENT, "")
    os.environ[PARENT] = str(os.getpid())
    if parent.isdigit() and int(parent) == os.getppid():
        threading.Thread(target=_poll, args=(int(parent),), daemon=True).start()


def _poll(parent: int) -> None:
    while os.getppid() == parent:  # Windows keeps the number: there it is not noticed
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
