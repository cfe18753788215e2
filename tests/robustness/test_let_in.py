"""What a user's files must not do: run code, read elsewhere, command the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from lix.core.console import label, plain, printable
from lix.data.sets.folder import Folder
from lix.study.plan import PROGRAM
from tests.robustness.conftest import Lix

EVIL_NAME = "[/x]\x1b[31m"
MODULES = ("cyclopts", "rich", "torch", "numpy", "yaml", "json", "pydantic", "PIL", "filelock")


def evil_folder(folder: Path) -> Path:
    """A folder whose modules leave a trace where they are imported."""
    folder.mkdir()
    for name in (*MODULES, "multiprocessing", "pickle", "socket", "sitecustomize"):
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'RAN')!r}, 'a').write('{name} ')\nraise SystemExit(7)\n"
        )
    return folder


def run(folder: Path, *words: object, code: bool = False) -> subprocess.CompletedProcess[str]:
    # As the `lix` script starts: its own folder is first on the path, not the current one.
    command = [sys.executable, str(PROGRAM), *(["--allow-code"] if code else [])]
    environment = {k: v for k, v in os.environ.items() if k != "LIX_ALLOW_CODE"}
    return subprocess.run(
        [*command, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_no_module_of_the_current_folder_is_run(small_recipe: Path, tmp_path: Path) -> None:
    here = evil_folder(tmp_path / "here")
    data = yaml.safe_load(small_recipe.read_text())
    study = {
        "name": "s",
        "data": {"a": data.pop("data")},
        "networks": {"mfnet": {}},
        "methods": ["none"],
        "seeds": [0],
        "settings": data | {"training": {"epochs": 1, "accelerator": "cpu"}},
    }
    (here / "s.yaml").write_text(yaml.safe_dump(study))
    for words in (
        ("study", "run", "s.yaml", "--output", tmp_path / "out", "--workers", 2),
        (
            "data",
            "streets",
            tmp_path / "streets",
            "--images",
            3,
            "--size",
            "64x160",
            "--workers",
            2,
        ),
    ):
        done = run(here, *words)
        assert done.returncode == 0, done.stderr
    assert not (here / "RAN").exists()


@pytest.mark.slow
def test_a_module_run_by_its_name_takes_no_library_of_the_current_folder(tmp_path: Path) -> None:
    here = evil_folder(tmp_path / "here")
    subprocess.run([sys.executable, "-m", "lix", "list", "datasets"], cwd=here, check=True)
    assert not (here / "RAN").exists()


@pytest.mark.slow
def test_code_of_the_current_folder_needs_a_flag(small_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import lix\ndef build(num_classes, x_channels):\n"
        "    return lix.build_network('mfnet', num_classes, x_channels)\n"
    )
    words = ("train", "-r", small_recipe, "--training.epochs", 1, "--output", "run")
    refused = run(tmp_path, *words, "--network.name", "own:build")
    assert "run again with --allow-code" in refused.stderr
    allowed = run(tmp_path, *words, "--network.name", "own:build", code=True)
    assert allowed.returncode == 0, allowed.stderr


@pytest.fixture
def odd_data(tmp_path: Path) -> Path:
    """Four frames whose classes have the names of markup and of escapes."""
    draw = np.random.default_rng(0)
    for i in range(4):
        image = draw.integers(0, 256, (32, 64, 3), dtype=np.uint8)
        (tmp_path / "d").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"d/{i}.png")
        Image.fromarray(image[..., 0] // 128).save(tmp_path / f"d/{i}_label.png")
    described: dict[str, object] = {"classes": [EVIL_NAME, "[red]b[/]"]}
    for split, frames in (("train", "0.png\n1.png\n"), ("val", "2.png\n3.png\n")):
        (tmp_path / f"d/{split}.txt").write_text(frames)
        files = {"image": "[0-9].png", "label": "[0-9]_label.png", "list": f"{split}.txt"}
        described[split] = files
    (tmp_path / "d/lix.yaml").write_text(yaml.safe_dump(described))
    return tmp_path / "d"


@pytest.mark.slow
def test_names_are_printed_as_they_stand(lix: Lix, odd_data: Path, tmp_path: Path) -> None:
    output = tmp_path / EVIL_NAME
    size = ("--data.size", 32, 64, "--optim.batch-size", 2, "--training.accelerator", "cpu")
    data = ("--data.name", "folder", "--data.root", odd_data, *size, "--training.epochs", 1)
    code, last = lix("train", *data, "--output", output)
    assert code == 0, last
    for words in (
        ("train", *data, "--output", output, "--resume"),
        ("eval", output),
        ("bench", output, "--runs", 1),
        ("predict", output, odd_data / "0.png", "--output", tmp_path / "[/out]"),
        ("data", "check", odd_data, "--output", tmp_path / "[/check]"),
        ("data", "split", odd_data, tmp_path / "[/split]"),
    ):
        code, last = lix(*words)
        assert code == 0, last
        assert not last.startswith("lix: ")
    done = run(tmp_path, "eval", output)
    assert "[/x]\\x1b[31m" in done.stdout
    assert "[red]b[/]" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_text_for_the_terminal() -> None:
    assert printable("a\x1b]0;t\x07\u202eb\nc\ud800") == "a\\x1b]0;t\\x07\\u202eb\nc\\ud800"
    assert printable("Straße 日本 é") == "Straße 日本 é"
    assert plain("[red]x[/red][/x]").plain == "[red]x[/red][/x]"
    assert plain("a\nwarning: b").plain == "a\\nwarning: b"
    assert label("[/x]\n\x1b") == "\\[/x] \\x1b"


@pytest.mark.parametrize("pattern", ["../*.png", "a/../../*.png", "/etc/*.png", "[z-a].png"])
def test_a_pattern_stays_below_the_root(lix: Lix, odd_data: Path, pattern: str) -> None:
    described = yaml.safe_load((odd_data / "lix.yaml").read_text())
    described["train"]["image"] = pattern
    (odd_data / "lix.yaml").write_text(yaml.safe_dump(described))
    code, last = lix("data", "check", odd_data, "--output", odd_data.parent / "check")
    assert code == 1
    assert "pattern" in last


@pytest.mark.parametrize("link", [True, False])
def test_a_line_of_a_foreign_list_is_not_printed(lix: Lix, odd_data: Path, link: bool) -> None:
    secret = odd_data.parent / "secret.txt"
    secret.write_text("password\n")
    described = yaml.safe_load((odd_data / "lix.yaml").read_text())
    described["train"]["list"] = "list.txt" if link else "../secret.txt"
    described["val"] = described["val"] | {"list": None}
    (odd_data / "list.txt").symlink_to(secret)
    (odd_data / "lix.yaml").write_text(yaml.safe_dump(described))
    code, last = lix("train", "--data.name", "folder", "--data.root", odd_data)
    assert code == 1
    assert ".txt lists a line, but" in last
    assert "password" not in last


def test_a_list_elsewhere_that_the_yaml_names_is_read(lix: Lix, odd_data: Path) -> None:
    described = yaml.safe_load((odd_data / "lix.yaml").read_text())
    lists = odd_data.parent / "lists"
    lists.mkdir()
    described["train"]["list"], described["val"]["list"] = "../lists/t.txt", str(lists / "v.txt")
    (odd_data / "lix.yaml").write_text(yaml.safe_dump(described))
    (lists / "t.txt").write_text("0.png\n1.png\n")
    (lists / "v.txt").write_text("2.png\n")
    for split, ids in (("train", ["0", "1"]), ("val", ["2"])):
        assert Folder(odd_data, split=split).ids == ids
    (lists / "v.txt").write_text("2.png\npassword\n")
    code, last = lix("train", "--data.name", "folder", "--data.root", odd_data)
    assert code == 1
    assert "v.txt lists a line, but" in last
    assert "password" not in last


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(
            ("--training.accelerator", "gpu"),
            marks=pytest.mark.skipif(torch.accelerator.is_available(), reason="there is one"),
        ),
        ("--optim.lr", ".inf"),
        ("--optim.lr", "inf"),
        ("--optim.lr", "nan"),
        ("--augment.scale", 2, 1),
        ("--augment.scale", 0, 1),
        ("--network.options.head", "!!bool maybe"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_one_sentence(
    lix: Lix, small_recipe: Path, tmp_path: Path, flags: tuple[object, ...]
) -> None:
    code, last = lix("train", "-r", small_recipe, "--output", tmp_path / "run", *flags)
    assert code in (1, 2)
    assert last.startswith("lix: ")
    assert not (tmp_path / "run").exists()
