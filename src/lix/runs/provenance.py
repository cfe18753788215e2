"""What made a result: commit, hardware and memory, for `result.json` and reports."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

from lix import __version__


@cache
def commit() -> str:
    """Short hash of lix's own checkout, with `+` where files were changed; else the version."""
    source = Path(__file__).parents[3]
    if not (source / ".git").exists():
        return __version__
    try:
        head = _git(source, "rev-parse", "--short", "HEAD")
        changed = _git(source, "status", "--porcelain", "--untracked-files=no")
    except OSError:
        return __version__
    return f"{head}{'+' if changed else ''}" if head else __version__


def _git(source: Path, *arguments: str) -> str:
    command = ["git", "-C", str(source), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def hardware() -> str:
    """GPU or processor, as in `AMD EPYC 7B13, 2 cores`."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"


def peak_memory() -> float:
    """Peak memory of this process in MB: on the GPU if there is one, else main memory."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)
