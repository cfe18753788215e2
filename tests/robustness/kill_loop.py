"""Trains a recipe in children that are killed at random moments, until one is let finish.

    python kill_loop.py RECIPE KILLS SEED

Forks, so that a start costs no imports. Kills at least KILLS times, and goes on until a third of
KILLS was followed by a resume from a checkpoint, however slow the machine is. Prints both counts.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from rich.console import Console

from lix.runs.folder import RunFolder
from lix.runs.recipe import Recipe
from lix.training.fit import fit


def train(path: Path) -> None:
    code = 1
    try:
        fit(Recipe.load(path), resume=True, console=Console(file=sys.stderr))
        code = 0
    except KeyboardInterrupt:  # SIGTERM, obeyed
        code = 2
    finally:
        os._exit(code)


def progress(output: Path) -> int:
    files = [RunFolder(output).last, RunFolder(output).teacher_stage]
    return max(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)


def main() -> None:
    path, wanted, draw = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    output = Recipe.load(path).output
    torch.set_num_threads(1)
    kills = resumes = 0
    longest = 1.5
    while not RunFolder(output).finished:
        resumes += any(
            kept.is_file() for kept in (RunFolder(output).last, RunFolder(output).teacher_stage)
        )
        child = os.fork()
        if child == 0:
            train(path)
        if kills < wanted or resumes < wanted // 3:
            before = progress(output)
            time.sleep(draw.uniform(0.0, longest))
            os.kill(child, draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            kills += 1
            longest *= 0.7 if progress(output) > before else 1.25  # get further, but not to the end
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1:
            sys.exit("a training failed")
    print(kills, resumes)


if __name__ == "__main__":
    main()
