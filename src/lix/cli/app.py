"""The `lix` command. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from lix import __version__
from lix.cli.data import data_app
from lix.cli.deploy import bench, export, predict
from lix.cli.drives import select, shard
from lix.cli.study import study_app
from lix.cli.train import distill, evaluate, report, train
from lix.core.console import prepare_streams, print_table, printable
from lix.core.errors import explain
from lix.core.processes import end_with_lix
from lix.core.registry import entries, find, safe_path
from lix.runs.recipe import explain_validation

app = App(
    name="lix",
    help="Infuse what an RGB-X teacher knows about geometry into a camera-only student.",
    version=__version__,
    default_parameter=Parameter(negative=(), consume_multiple=True),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
app.meta.suppress_keyboard_interrupt = False
data_app.command(select)
data_app.command(shard)
app.command(data_app)
app.command(study_app)

for command in (train, distill, report, predict, export, bench):
    app.command(command)
app.command(evaluate, name="eval")

USER_ERRORS = (ValueError, OSError, ArithmeticError, ImportError, RuntimeError, MemoryError)
"""Exceptions that a user's settings, files or machine can cause; they end as one sentence."""


@app.command
def demo(
    *,
    output: Path = Path("runs/demo"),
    labelled: int = 160,
    unlabelled: int = 480,
    tested: int = 100,
    epochs: int = 24,
    seed: int = 0,
) -> None:
    """Learn a place that nobody labelled: make streets, train four networks, write a report.

    The teacher (RGB and depth), a plain student and a LIX student have labels of a town; another
    LIX student also has an unlabelled drive on a highway. All are tested on the highway.

    Args:
        output: folder of all results; a second call reuses them.
        labelled: number of labelled streets of the town.
        unlabelled: number of streets of the highway that nobody labels.
        tested: number of other streets of the highway, to test on.
        epochs: number of passes over the labelled streets in each of the four trainings.
        seed: seed of images and trainings.
    """
    from lix.study.demo import DemoSize, run_demo

    run_demo(output, DemoSize(labelled, unlabelled, tested, epochs), seed=seed)


@app.command(name="list")
def list_entries(what: Literal["methods", "networks", "datasets"]) -> None:
    """List all entries, one per line."""
    from rich.console import Console

    rows = [{"name": entry.name, "what": entry.summary} for entry in entries(what).values()]
    print_table(Console(), rows)


@app.command
def cite(method: str = "lix") -> None:
    """Print the BibTeX entry of a method's paper.

    Args:
        method: name of the method; see `lix list methods`.
    """
    from lix.methods.parts.citations import bibtex

    key = find("methods", method).load().citation
    if not key:
        raise ValueError(f"{method!r} is the baseline without distillation; it has no paper.")
    print(bibtex(key))


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    allow_code: bool = False,
) -> None:
    """Run one command.

    Args:
        allow_code: let settings name your own Python code, as in --network.name my_nets:build.
    """
    if allow_code:
        os.environ["LIX_ALLOW_CODE"] = "1"
    if os.environ.get("LIX_ALLOW_CODE"):
        sys.path.insert(0, str(Path.cwd()))
    os.environ.update(safe_path())
    app([_hyphens(token) for token in tokens], exit_on_error=False, print_error=False)


def _hyphens(token: str) -> str:
    """`--optim.batch_size=4` → `--optim.batch-size=4`."""
    if not token.startswith("--"):
        return token
    flag, equals, value = token.partition("=")
    return flag.replace("_", "-") + equals + value


def _explain_flag(cause: ValidationError, error: CycloptsError) -> str:
    """A complaint of pydantic, with the flag's name as the user writes it."""
    section = error.argument.name.removeprefix("--") if error.argument else "*"
    place = [str(part) for part in cause.errors()[0]["loc"]]
    names = [*([] if section == "*" else [section]), *(n for n in place if not n.isdigit())]
    flag = "--" + ".".join(names).replace("_", "-")
    return explain_validation(cause).replace(f"{'.'.join(place)}:", f"{flag}:", 1)


def main() -> None:
    """Run the command line; a user's error is one sentence and exit code 1 or 2."""
    prepare_streams()
    end_with_lix()
    try:
        app.meta(sys.argv[1:], exit_on_error=False, print_error=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is an error of the command, not of Python's end
    except CycloptsError as error:
        cause = error.__cause__ or error.__context__
        sentence = _explain_flag(cause, error) if isinstance(cause, ValidationError) else str(error)
        _fail(sentence, 2)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _close_stdout()
        sys.exit(141)
    except USER_ERRORS as error:
        if os.environ.get("LIX_DEBUG"):
            raise
        _fail(explain(error), 1)
    except KeyboardInterrupt:
        _fail(
            "Interrupted; --resume continues a training, the same command a study or predictions.",
            130,
        )


def _fail(sentence: str, code: int) -> None:
    with suppress(OSError):  # where the standard error is closed or full
        print(f"lix: {printable(sentence)}", file=sys.stderr, flush=True)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _close_stdout()
    sys.exit(code)


def _close_stdout() -> None:
    """Drop what cannot be written, which Python would try again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
