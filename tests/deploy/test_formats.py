"""The table of a student in all engines, with floats and with 8-bit integers."""

import pytest

from lix.deploy.formats import compare_formats
from tests.cli.test_cli import lix
from tests.deploy.test_quantise import run  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported_once")]
ENGINES = ("torch", "onnx", "openvino")


def test_training_images_and_each_folder_calibrate_a_row(run, photo, capsys):  # noqa: F811
    drive = photo("drive/a.png").parent
    photo("drive/b.png")
    assert lix("bench", run, "--int8", drive, "--runs", 2) == 0
    printed = capsys.readouterr().out
    rows = [row.split() for row in printed.splitlines() if row.startswith(ENGINES)]
    engines = [row[0] for row in rows]
    assert engines == ["torch", "onnx", "openvino", "onnx", "openvino", "onnx", "openvino"]
    assert "int8, 16 training images" in printed
    assert f"int8, 2 images of {drive}" in " ".join(printed.split())
    sizes = [float(row[-1]) for row in rows]
    assert max(sizes[3:]) < 0.6 * min(sizes[:3])
    points = [float(row[-4]) for row in rows]
    assert points[:3] == [0, 0, 0]
    assert all(abs(change) < 2 for change in points)


def test_without_the_data_folders_calibrate_and_the_miou_is_unknown(student, photo):
    found = compare_formats(student, [photo("in/a.png").parent], runs=1)
    assert [row.numbers for row in found.rows][:2] == ["float32", "float32"]
    assert {row.miou for row in found.rows} == {None}
    assert "recipe.yaml is missing" in found.why_unknown
    assert {row["points"] for row in found.table} == {"–"}
    assert all(0 < row.median <= row.percentile_95 for row in found.rows)


def test_nothing_to_calibrate_on_and_wrong_words_are_one_sentence(student, capsys):
    assert lix("bench", student, "--int8") == 1
    assert "Name a folder of RGB images to calibrate on" in capsys.readouterr().err
    assert lix("bench", student, "--int8", "--engine", "onnx") == 1
    assert "compares all engines; leave out" in capsys.readouterr().err
    assert lix("bench", student, "--int8", "--runs", 0) == 1
    assert "at least 1" in capsys.readouterr().err
