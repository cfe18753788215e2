"""Freed memory is given out again, so that a training step fetches no page anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from lix.core.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
def step():
    kept = [torch.ones(2**20) for _ in range(25)]  # 4 MiB each
for i in range(12):
    if i == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_memory_is_given_out_again() -> None:
    faults = {}
    for keep in (False, True):
        code = FAULTS.format(keep=keep)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        faults[keep] = int(done.stdout)
    assert 10 * faults[True] < faults[False]
