"""nuImages: damaged and incomplete downloads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lix.data.sets.nuimages import NuImages
from tests.data.frames import read
from tests.data.sets.nuimages_tables import SIZE, rle, write

# pycocotools implements NumPy 1's `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "nuimages")


def change(root: Path, table: str, **fields: Any) -> None:
    """Set fields of all rows of a table, or drop those that are `...`."""
    path = root / f"v1.0-train/{table}.json"
    rows = [row | fields for row in json.loads(path.read_text())]
    kept = [{k: v for k, v in row.items() if v is not ...} for row in rows]
    path.write_text(json.dumps(kept))


HALF = rle(np.ones((4, 8), np.uint8))
CUT = {"size": list(SIZE), "counts": "AAAA"}


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        ("sample_data", {"is_key_frame": False}, "has no key frame of a camera"),
        *[
            ("sample_data", {"filename": name}, "names .*, which is not below samples")
            for name in ("../secret.jpg", "/etc/a.jpg", "samples/../../a.jpg", "samples\\..\\a.jpg")
        ],
        ("sample_data", {"filename": 5}, "has a row whose token or .* is not text"),
        ("sample_data", {"width": "9"}, "says that samples/.* is 9x9"),
        ("sample_data", {"height": 10**9}, "says that samples/.* is 1000000000x16"),
        ("object_ann", {"token": {}}, "has a row whose token or .* is not text"),
        ("object_ann", {"sample_data_token": []}, "has a row whose token or .* is not text"),
        ("object_ann", {"mask": {"size": [10**6] * 2, "counts": "AAAA"}}, "has a mask that does"),
        ("sample_data", {"filename": ...}, "has a row without token, calibrated_sensor_token"),
        ("object_ann", {"mask": HALF}, "has a mask that does not fit samples/.*jpg of 9x16"),
        ("object_ann", {"mask": {"size": [9, 16], "counts": "?"}}, "that does not fit samples/"),
        ("object_ann", {"mask": {"counts": "MTIz"}}, "has a mask that does not fit samples/"),
        ("surface_ann", {"mask": ...}, "has a row without token, sample_data_token"),
        (
            "surface_ann",
            {"category_token": "x"},
            r"category\.json calls a mask None, which is",
        ),
        ("category", {"name": "flat.terrain"}, r"calls a mask flat\.terrain, which is"),
        ("calibrated_sensor", {"camera_intrinsic": []}, "has no camera_intrinsic for samples/"),
    ],
)
def test_damaged_tables(root: Path, table: str, fields: dict[str, Any], message: str) -> None:
    change(root, table, **fields)
    with pytest.raises(ValueError, match=message + ".*unpack nuimages-v1.0-all-metadata") as caught:
        read(NuImages(root), 0, with_x=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[{]", "{}", "null", '["a"]', '[{"token": '])
@pytest.mark.parametrize("table", ["sample_data", "object_ann", "calibrated_sensor"])
def test_tables_that_are_none(root: Path, table: str, text: str) -> None:
    (root / f"v1.0-train/{table}.json").write_text(text)
    with pytest.raises(ValueError, match=rf"{table}\.json (cannot be read|has )") as caught:
        read(NuImages(root), 0, with_x=False)
    assert "\n" not in str(caught.value)


def test_what_is_not_there(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"v1\.0-val/sample_data\.json is missing; unpack"):
        NuImages(root, split="val")
    (root / "v1.0-train/object_ann.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"object_ann\.json is missing; unpack nuimages"):
        read(NuImages(root), 0, with_x=False)
    shutil.rmtree(root / "samples/CAM_BACK")
    with pytest.raises(ValueError, match=r"2 of 4 image files are missing, .*all-samples\.tgz"):
        NuImages(root)
