"""A study's recipe → runs in folders named by what they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lix.runs.recipe import Recipe
from lix.study.definition import Study
from lix.study.plan import plan
from lix.study.schedule import check_options, run_study

ENTRIES: dict[str, Any] = {
    "name": "small",
    "settings": {"optim": {"lr": 0.01}, "training": {"epochs": 3}},
    "data": {"a": {"name": "vkitti2", "root": "data/a"}, "b": {"root": "data/b"}},
    "networks": {"mfnet": {"name": "mfnet"}},
    "methods": ["none", "kd", {"method": "kd", "label": "hot", "options": {"temperature": 4}}],
    "seeds": [0, 1],
    "teacher": {"training": {"epochs": 5}},
}


def study(**changes: Any) -> Study:
    return Study.model_validate(ENTRIES | changes)


def names(found: Study) -> set[str]:
    return {run.job.name for run in plan(found, Path("out"))}


def test_every_combination_is_a_run_and_teachers_come_first() -> None:
    runs = plan(study(), Path("out"))
    assert [run.method for run in runs[:2]] == ["teacher", "teacher"]
    assert len(runs) == len({run.job.name for run in runs}) == 2 + 2 * 2 * 3
    hot = next(r for r in runs if (r.data, r.method, r.seed) == ("b", "hot", 1))
    recipe, teacher = hot.job.recipe, runs[1].job
    assert recipe.output == Path("out/runs") / hot.job.name
    assert recipe.distill is not None
    assert recipe.distill.options == {"temperature": 4}
    assert (recipe.distill.teacher, hot.job.needs) == (teacher.recipe.output, teacher.name)
    assert (recipe.data.root, recipe.optim.lr, recipe.training.seed) == (Path("data/b"), 0.01, 1)
    assert (recipe.training.epochs, teacher.recipe.training.epochs) == (3, 5)
    plain = [run for run in runs if run.method == "none"]
    assert all(run.job.recipe.distill is None and run.job.needs is None for run in plain)


def test_a_name_depends_on_what_changes_a_result_alone() -> None:
    before = names(study())
    assert before == names(study(name="other", title="Other", average_last=2, paper="I"))
    training = ENTRIES["settings"]["training"]
    same = ENTRIES["settings"] | {"training": training | {"threads": 2, "workers": 1}}
    assert before == names(study(settings=same))
    other = ENTRIES["settings"] | {"training": training | {"epochs": 4}}
    changed = names(study(settings=other))
    assert len(before & changed) == 2  # the teachers have epochs of their own
    taught = names(study(teacher={"training": {"epochs": 6}}))
    assert len(before & taught) == 4  # students that no teacher taught


def test_a_name_depends_on_what_a_description_says(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    described = study(data={"mine": {"name": "folder", "root": str(path)}})
    path.write_text("classes: [road, car]")
    before = names(described)
    path.write_text("classes: [road, car]  # in this order")
    assert names(described) == before
    path.write_text("classes: [car, road]")
    assert not names(described) & before


def test_a_name_depends_on_what_options_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = names(study(methods=["lix"], seeds=[0]))
    same = {"method": "lix", "options": {"dwld": {"alpha": 1.0}}}
    assert names(study(methods=[same], seeds=[0])) == plain
    other = {"method": "lix", "options": {"dwld": {"alpha": 2.0}}}
    assert names(study(methods=[other], seeds=[0])) != plain
    assert names(study(methods=[{"method": "lix", "preset": "paper"}], seeds=[0])) != plain
    monkeypatch.setattr("lix.methods.dwld.DWLD.__init__", _with_another_default)
    assert names(study(methods=["lix"], seeds=[0])) != plain


def test_an_added_option_leaves_old_names_unless_it_is_used() -> None:
    plain = names(study(methods=["lix"], seeds=[0]))
    as_before = {"method": "lix", "options": {"arfd": {"student_side": "trained"}}}
    assert names(study(methods=[as_before], seeds=[0])) == plain
    used = {"method": "lix", "options": {"arfd": {"student_side": "identity"}}}
    assert names(study(methods=[used], seeds=[0])) != plain


def _with_another_default(self: object, *, weight: float = 7.0) -> None: ...


def test_defaults_do_not_change_unnoticed() -> None:
    """A new setting may be added here; for a changed one raise `DEFAULTS` in lix.study.plan."""
    assert Recipe().model_dump(mode="json", exclude={"output"}) == {
        "role": "student",
        "distill": None,
        "data": {
            "name": "vkitti2",
            "root": None,
            "val_root": None,
            "size": [384, 1248],
            "x": "log",
            "cache": None,
            "skip_damaged": False,
            "options": {},
            "train": {},
            "val": {},
        },
        "network": {"name": "mfnet", "options": {}},
        "optim": {
            "name": "sgd",
            "lr": 0.005,
            "momentum": 0.9,
            "weight_decay": 0.0005,
            "schedule": "constant",
            "warmup": 0,
            "clip": None,
            "batch_size": 8,
            "accumulate": 1,
        },
        "augment": {
            "scale": [0.75, 1.5],
            "flip": 0.5,
            "photometric": 0.5,
            "crop": None,
            "x_scale": [1.0, 1.0],
            "x_drop": 0.0,
            "depth_mix": 0.0,
        },
        "training": {
            "epochs": 500,
            "patience": 50,
            "keep": "auto",
            "evaluate_every": 1,
            "seed": 0,
            "max_class_weight": 1.0,
            "ema": None,
            "compile": False,
            "precision": "32-true",
            "accelerator": "auto",
            "devices": 1,
            "nodes": 1,
            "strategy": "auto",
            "sync_batchnorm": False,
            "threads": 1,
            "channels_last": False,
            "workers": 0,
            "logger": "tensorboard",
        },
        "unlabelled": {
            "name": None,
            "root": None,
            "options": {},
            "drives": [],
            "batch_size": None,
            "weight": 1.0,
            "min_confidence": 0.0,
            "teacher": None,
            "truth": False,
        },
    }


def test_studies_share_equal_runs() -> None:
    assert names(study(methods=["kd"], seeds=[1], data={"a": ENTRIES["data"]["a"]})) < names(
        study()
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods": ["kdd"]}, "Unknown method 'kdd'. Did you mean 'kd'"),
        ({"sedes": [1]}, "unknown entry 'sedes'. Did you mean 'seeds'"),
        ({"methods": [{"method": "kd", "option": {}}]}, "unknown entry .*'options'"),
        ({"settings": {"optim": {"rl": 1}}}, "not a recipe: unknown entry 'optim.rl'"),
        ({"settings": {"output": "mine"}}, "settings: .*sets output itself; take it out"),
        ({"methods": [{"method": "kd", "settings": {"distill": {}}}]}, "sets distill itself"),
        ({"networks": None}, "networks: "),
        ({"name": "../outside"}, "name: "),
        ({"name": "/tmp/outside"}, "name: "),
        ({"pool": "a"}, "some data are called 'a' already"),
        (
            {"pictures": [{"kind": "worst", "methods": ["hott"]}]},
            "row of the study 'hott'. Did you",
        ),
    ],
)
def test_wrong_entries_are_one_sentence(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(ENTRIES | changes))
    with pytest.raises(ValueError, match=said) as error:
        plan(Study.load(path), tmp_path)
    assert "\n" not in str(error.value)


def test_scores_on_other_data_stay_in_the_folder_of_the_run() -> None:
    outside = study(data={"../../x": ENTRIES["data"]["a"], "b": ENTRIES["data"]["b"]}, cross="same")
    run = next(run for run in plan(outside, Path("out")) if run.data == "b")
    assert run.cross_file(outside, "../../x").parent == run.job.recipe.output


def test_a_base_gives_what_the_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(ENTRIES))
    (tmp_path / "rows.yaml").write_text("methods: [at]\nseeds: [7]\n")
    own = {
        "base": ["base.yaml", "rows.yaml"],
        "seeds": [3],
        "data": {"a": {"root": "c"}, "b": None},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(own))
    found = Study.load(tmp_path / "study.yaml")
    assert (found.name, found.seeds) == ("small", (3,))
    assert [entry.method for entry in found.methods] == ["at"]
    assert found.data == {"a": {"name": "vkitti2", "root": "c"}}
    (tmp_path / "base.yaml").write_text("base: study.yaml\n")
    with pytest.raises(ValueError, match="its own base"):
        Study.load(tmp_path / "study.yaml")


def test_a_network_may_have_settings_of_its_own() -> None:
    networks = {"mfnet": {}, "big": {"name": "offnet", "settings": {"optim": {"batch_size": 3}}}}
    sizes = {
        (run.network, run.job.recipe.network.name, run.job.recipe.optim.batch_size)
        for run in plan(study(networks=networks), Path("out"))
    }
    assert sizes == {("mfnet", "mfnet", 8), ("big", "offnet", 3)}


def test_missing_file_names_an_example(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="recipes/study"):
        Study.load(tmp_path / "no.yaml")


ROOT = Path(__file__).parents[2]
OURS = sorted((ROOT / "recipes" / "study").glob("*.yaml"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_own_studies_name_methods_and_options_that_exist(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIX_ALLOW_CODE", "1")
    monkeypatch.syspath_prepend(ROOT / "examples")
    study = Study.load(path)
    check_options(plan(study, Path("out")))
    assert study.title


def test_a_wrong_option_is_found_before_anything_runs(tmp_path: Path) -> None:
    methods = [{"method": "kd", "options": {"nonsense": 1}}]
    with pytest.raises(ValueError, match="Unknown option of kd 'nonsense'"):
        run_study(study(methods=methods), tmp_path)
    assert not list(tmp_path.iterdir())
