"""The `lix study` commands. What is heavy is imported by the command that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from lix.core.console import say

study_app = App(name="study", help="Compare methods over data sets, networks and seeds.")

RecipeFile = Annotated[
    Path, Parameter(help="YAML file of the study, such as those in recipes/study.")
]


@study_app.command
def run(
    study: RecipeFile,
    *,
    output: Path = Path("runs/study"),
    workers: int = 1,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    shard: str = "1/1",
) -> None:
    """Run what is not finished of a study; failed runs do not stop the others.

    Args:
        output: folder of all runs; studies may share it.
        workers: trainings at a time on this machine.
        engine: local, or ray for a Ray cluster that sees the same files.
        address: of an existing Ray cluster; default: a local one.
        shard: i/n runs the i-th of n parts, as in a job array of SLURM.
    """
    from lix.study.definition import Study
    from lix.study.schedule import run_study

    failed = run_study(
        Study.load(study),
        output,
        workers=workers,
        engine=engine,
        address=address,
        shard=parse_shard(shard),
    )
    if failed:
        raise ValueError(
            f"{len(failed)} runs failed; their folders in {output / 'runs'} hold an error.txt, and "
            "the same command tries them again."
        )
    say(f"All runs are done; see them with `lix study table {study}`.")


@study_app.command
def table(
    study: RecipeFile,
    *,
    runs: Path = Path("runs/study"),
    output: Path | None = None,
) -> None:
    """Print the tables of a study's finished runs, and write them with all their numbers.

    Args:
        runs: what `lix study run` wrote.
        output: folder for table.md, .tex, .csv, classes.md, costs.md and results.csv; default:
            RUNS/NAME-OF-THE-STUDY.
    """
    from rich.console import Console

    from lix.study.definition import Study
    from lix.study.results import load_results
    from lix.study.tables import print_tables, write_tables

    recipe = Study.load(study)
    folder = output or runs / recipe.name
    results = load_results(recipe, runs)
    text = write_tables(results, folder)
    console = Console()
    if console.is_terminal:
        print_tables(results, console)
    else:
        say(text)
    say(f"Written to {folder}.")


@study_app.command
def figure(
    study: RecipeFile,
    *,
    runs: Path = Path("runs/study"),
    output: Path | None = None,
) -> None:
    """Draw the scores of a study's finished runs, and what was watched over the epochs.

    Args:
        runs: what `lix study run` wrote.
        output: folder for PNG and SVG files; default: RUNS/NAME-OF-THE-STUDY.
    """
    import torch

    from lix.study.definition import Study
    from lix.study.plots import write_figures
    from lix.study.results import load_results

    torch.set_num_threads(1)  # small pictures: more are slower
    recipe = Study.load(study)
    folder = output or runs / recipe.name
    results = load_results(recipe, runs)
    written = write_figures(results, folder)
    say(f"{len(written)} files in {folder}. {results.damage}".strip())


@study_app.command
def report(
    study: RecipeFile,
    *,
    runs: Path = Path("runs/study"),
    output: Path | None = None,
) -> None:
    """Write one HTML page about a study's finished runs; it needs no network.

    Args:
        runs: what `lix study run` wrote.
        output: the file; default: RUNS/NAME-OF-THE-STUDY/report.html.
    """
    import torch

    from lix.study.definition import Study
    from lix.study.page import write_page
    from lix.study.results import load_results

    torch.set_num_threads(1)
    recipe = Study.load(study)
    path = output or runs / recipe.name / "report.html"
    results = load_results(recipe, runs)
    write_page(results, path)
    say(f"Open {path}. {results.damage}".strip())


@study_app.command
def pack(
    study: RecipeFile,
    *,
    runs: Path = Path("runs/study"),
    output: Path | None = None,
) -> None:
    """Keep all numbers of a study's finished runs in one small file; their folders may then go.

    The other commands read it like the folders, and `lix study run` skips what it holds. Weights
    are not kept (pictures need the folders), nor are the shares of classes in an unlabelled drive.
    What the file already holds of other runs stays.

    Args:
        runs: what `lix study run` wrote.
        output: folder of all runs to keep the file in, as OUTPUT/NAME-OF-THE-STUDY/runs.jsonl.gz;
            default: RUNS.
    """
    from lix.study.definition import Study
    from lix.study.records import PACKED, pack_records
    from lix.study.results import load_results

    recipe = Study.load(study)
    results = load_results(recipe, runs)
    if results.damaged:
        raise ValueError(results.damage)
    path = (output or runs) / recipe.name / PACKED
    records = {one.planned.job.name: one.record for one in results.runs}
    others = pack_records(records, path)
    more = f", beside {others} that were there and are not in {runs}" if others else ""
    say(f"{len(records)} runs in {path}{more}.")


def parse_shard(text: str) -> tuple[int, int]:
    """`2/8` → (2, 8).

    Raises:
        ValueError: another form.
    """
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit()):
        raise ValueError(f"Write a shard as i/n, such as 2/8; got {text!r}.")
    return int(part), int(parts)
