"""Runs commands of lix in forks of one process that has imported everything, so a start is cheap.

Reads lines of JSON: the words of a command, how many of it run at a time, after how many seconds
they are killed and how many kilobytes a file may have. Answers with a list: of each the exit code
(negative: the signal that ended it), its seconds and the end of its error output. `Forks` is the
other end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

MODULES = (
    *("lix.cli.app", "lix.training.fit", "lix.evaluation.report", "lix.deploy.predict"),
    *("lix.deploy.quantise", "lix.study.schedule", "lix.study.page", "lix.study.tables"),
    *("lix.study.viewer", "lix.tools.depth", "lix.tools.check.run", "tensorboard"),
    *("av", "cv2", "onnx", "onnxscript", "onnxruntime.quantization", "scipy.stats"),
)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    seconds: float
    error: str


class Forks:
    """A process that forks commands."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=Path(__file__).parents[2],
            env={k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"},  # lix sets it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: object, **limits: float) -> Ended:
        """Run a command, with files up to some `kilobytes`, or killed after some seconds."""
        (ended,) = self.together(1, *words, **limits)
        return ended

    def together(self, times: int, *words: object, **limits: float) -> list[Ended]:
        """Run a command several times at a time."""
        order = {"words": list(map(str, words)), "times": times, **limits}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return [Ended(*one) for one in json.loads(self.process.stdout.readline())]

    def close(self) -> None:
        self.process.communicate("")


class Fork:
    """A training of a study as a fork of it, which need not import everything again."""

    def __init__(self, job: Any) -> None:
        _, _, *words = job.command()
        self.code: int | None = None
        self.child = fork(words, job.folder.log, job.environment)

    def poll(self) -> int | None:
        if self.code is None:
            ended, status = os.waitpid(self.child, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if ended else None
        return self.code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.child, signal.SIGTERM)

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code


def fork(words: list[str], log: Path, environment: dict[str, str], kilobytes: int = 0) -> int:
    """Run `lix` in a fork, with its error output in a file."""
    from lix.cli.app import main

    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 2)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.environ.update(environment)
        if kilobytes:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes,) * 2)
        sys.argv = ["lix", *words]
        main()
        code = 0
    except SystemExit as leave:
        code = int(leave.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    for module in MODULES:
        import_module(module)
    import lix.study.schedule

    lix.study.schedule.GpuPool = lambda _: Fork  # type: ignore[assignment,misc]
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(sys.stdin):
            order = json.loads(line)
            logs = [Path(folder) / f"{number} {i}" for i in range(order["times"])]
            for log in logs:
                log.touch()
            started = time.perf_counter()
            children = [fork(order["words"], log, {}, order.get("kilobytes", 0)) for log in logs]
            how = (signal.SIGKILL, signal.SIGTERM)[number % 2]
            codes = [_ended(c, started + order.get("kill_after", 600), how) for c in children]
            seconds = time.perf_counter() - started
            errors = [log.read_text(errors="replace")[-4000:] for log in logs]
            print(json.dumps([(c, seconds, e) for c, e in zip(codes, errors, strict=True)]))
            sys.stdout.flush()


def _ended(child: int, until: float, how: signal.Signals) -> int:
    """Wait for a fork; end it by a signal if it has not ended by then."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.perf_counter() > until:
            os.kill(child, how)
            os.waitpid(child, 0)
            return -how
        time.sleep(0.005)


if __name__ == "__main__":
    serve()
