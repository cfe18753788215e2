"""The commands of docs/recordings.md, on bags that the simulator wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lix.streets.labels import Label
from tests.test_readme import ROOT, block, run_ten_commands
from tests.tools.extract.bags import START, Drive, labels, write_bag

RECORDINGS = (ROOT / "docs" / "recordings.md").read_text(encoding="utf-8")
TOWN, CITY = Drive(frames=12, period=0.2), Drive(frames=8, period=0.2, seed=5, jpeg=True)
CLASSES = {Label.ROAD: 0, Label.CAR: 1, Label.VAN: 1, Label.TRUCK: 1, Label.BUILDING: 2}


def label_town(folder: Path) -> None:
    """What a person does between the second and the third command."""
    table = np.full(256, 255, np.uint8)
    table[list(CLASSES)] = list(CLASSES.values())
    stamps = [START + round(index * TOWN.period * 1e9) for index in range(TOWN.frames)]
    (folder / "town" / "label").mkdir(parents=True)
    for stamp, found in zip(stamps, labels(TOWN), strict=True):
        Image.fromarray(table[found]).save(folder / "town" / "label" / f"{stamp}.png")
    (folder / "town.yaml").write_text(block("yaml", RECORDINGS))
    for split, chosen in (("train", stamps[:8]), ("val", stamps[8:])):
        (folder / f"town-{split}.txt").write_text("\n".join(map(str, chosen)))


@pytest.mark.slow
def test_the_ten_commands_for_a_recording_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bag(tmp_path / "town.bag", TOWN)
    write_bag(tmp_path / "city.bag", CITY)
    label_town(tmp_path)
    run_ten_commands(RECORDINGS)
    assert len(list((tmp_path / "city" / "depth").glob("*.png"))) == CITY.frames
    assert (tmp_path / "deployed" / "classes.json").is_file()
    assert yaml.safe_load((tmp_path / "city" / "drive.yaml").read_text())["x"]["kind"] == "depth"
