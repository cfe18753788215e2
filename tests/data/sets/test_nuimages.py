"""nuImages: tables, masks as the development kit draws them, splits, and damaged downloads."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as coco
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from lix.data import build_dataset
from lix.data.sets import nuimages
from lix.data.sets.nuimages import CLASSES, NuImages
from tests.data.frames import read
from tests.data.sets.contract import Case, spy

# pycocotools implements NumPy 1's `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (9, 16)
LOGS = ["n003-2018-01-02-11-48-43+0800", "n008-2018-05-30-16-31-36-0400"]
CAMERAS = ["CAM_FRONT", "CAM_BACK"]
OBJECTS = sorted(CLASSES.keys() - {"flat.driveable_surface", "vehicle.ego"})
SURFACES = ["flat.driveable_surface", "vehicle.ego"]
DEVKIT = {name: i for i, name in enumerate(OBJECTS, 1)} | dict(zip(SURFACES, (24, 31), strict=True))
"""The kit's `name_to_index_mapping`."""


def frame_ids(count: int) -> list[str]:
    """Alternating cameras, the first half of one log and the rest of the other."""
    return [
        f"{CAMERAS[n % 2]}/{LOGS[2 * n // count]}__{CAMERAS[n % 2]}__{1514864864954693 + n}"
        for n in range(count)
    ]


def runs(mask: NDArray[Any]) -> list[int]:
    """Lengths of the runs of 0, 1, 0 … down the columns."""
    values = mask.T.ravel()
    ends = np.flatnonzero(np.diff(values)) + 1
    lengths = np.diff([0, *ends, values.size]).tolist()
    return [0, *lengths] if values[0] else lengths


def compressed(counts: list[int]) -> bytes:
    """COCO's string: 5 bits a character, from the third on the difference to the last but one."""
    text = ""
    for i, count in enumerate(counts):
        rest = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text.encode()


def decompressed(text: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << shift - 4
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    values = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
    return values.reshape(size[::-1]).T


def rle(mask: NDArray[Any] | None) -> dict[str, Any] | None:
    if mask is None:
        return None
    counts = base64.b64encode(compressed(runs(mask))).decode()
    return {"size": list(mask.shape), "counts": counts}


def annotations(frame: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Surfaces and objects of a frame, with overlaps, tokens out of order and null masks."""
    rng = np.random.default_rng(frame)

    def ann(token: str, name: str, mask: NDArray[Any] | None) -> dict[str, Any]:
        keys = {"token": token, "sample_data_token": f"key{frame}", "category_token": f"c-{name}"}
        return keys | {"mask": rle(mask)}

    lower = np.arange(SIZE[0])[:, None].repeat(SIZE[1], 1) > 3
    bonnet = np.arange(SIZE[0])[:, None].repeat(SIZE[1], 1) > 6
    surfaces = [
        ann("ffff", SURFACES[0], lower),
        ann("0000", SURFACES[1], bonnet),
        ann("8888", SURFACES[0], None),
    ]
    names = [*rng.choice(OBJECTS, 4), "vehicle.car"]
    masks = [*(rng.random((4, *SIZE)) < 0.2), None]
    tokens = rng.permutation([f"{n:x}0{frame}" for n in range(11, 16)])
    objects = [
        ann(str(t), str(n), m) | {"attribute_tokens": [], "bbox": [0, 0, 16, 9]}
        for t, n, m in zip(tokens, names, masks, strict=True)
    ]
    return surfaces, objects


def sample_data(frame: int, name: str) -> list[dict[str, Any]]:
    """Key frame, a sweep of the camera and the LiDAR's key frame."""
    common = {
        "calibrated_sensor_token": f"k{frame % 2}",
        "ego_pose_token": "e",
        "sample_token": "s",
    }
    image = common | {"fileformat": "jpg", "height": SIZE[0], "width": SIZE[1], "timestamp": frame}
    lidar = common | {"fileformat": "pcd.bin", "height": 0, "width": 0, "timestamp": frame}
    scan = f"samples/LIDAR_TOP/{frame}.pcd.bin"
    return [
        image
        | {"token": f"sweep{frame}", "filename": f"sweeps/{name}9.jpg", "is_key_frame": False},
        image | {"token": f"key{frame}", "filename": f"samples/{name}.jpg", "is_key_frame": True},
        lidar | {"token": f"lidar{frame}", "filename": scan, "is_key_frame": True},
    ]


def write(root: Path, version: str = "v1.0-train", count: int = 4) -> Path:
    """Tables and images of a version."""
    (root / version).mkdir(parents=True, exist_ok=True)
    parts = [annotations(frame) for frame in range(count)]
    tables = {
        "sample_data": [row for n, i in enumerate(frame_ids(count)) for row in sample_data(n, i)],
        "surface_ann": [row for surfaces, _ in parts for row in surfaces],
        "object_ann": [row for _, objects in parts for row in reversed(objects)],
        "category": [{"token": f"c-{n}", "name": n, "description": ""} for n in reversed(CLASSES)],
        "calibrated_sensor": [
            {"token": f"k{n}", "camera_intrinsic": [[100 + n, 0, 8.5], [0, 200, 4.5], [0, 0, 1]]}
            for n in range(2)
        ]
        + [{"token": "lidar", "camera_intrinsic": []}],
    }
    for name, rows in tables.items():
        (root / version / f"{name}.json").write_text(json.dumps(rows))
    for n, name in enumerate(frame_ids(count)):
        path = root / "samples" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 90 + n, np.uint8)).save(path)
    return root


def devkit_mask(frame: int) -> NDArray[np.int32]:
    """`get_segmentation` of the kit, in its words."""
    semantic = np.zeros(SIZE, np.int32)
    surfaces, objects = annotations(frame)
    for ann in [*surfaces, *sorted(objects, key=lambda o: o["token"])]:
        if ann["mask"] is not None:
            mask = decompressed(base64.b64decode(ann["mask"]["counts"]), SIZE)
            semantic[mask == 1] = DEVKIT[ann["category_token"].removeprefix("c-")]
    return semantic


CASE = Case(write, train=2, val=2, images=4, options={"version": "v1.0-train"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "nuimages")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (37, 64), (90, 160)])
def test_the_tests_run_lengths_are_those_of_pycocotools(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.01, 0.5, 1.0):
        mask = np.asfortranarray((rng.random(size) < share).astype(np.uint8))
        assert coco.encode(mask)["counts"] == compressed(runs(mask))
        assert np.array_equal(decompressed(compressed(runs(mask)), size), mask)


@pytest.mark.parametrize(("background", "last"), [("class", 25), ("ignore", 255)])
def test_labels_are_the_devkits(root: Path, background: Any, last: int) -> None:
    data = NuImages(root, background=background)
    train_ids = np.full(32, last)
    train_ids[[*range(1, 25), 31]] = range(25)
    assert sorted(data.ids) == data.ids
    for index, name in enumerate(data.ids):
        target = data.read(data.ids[index], with_x=False).target
        assert target.dtype == torch.int64
        expected = train_ids[devkit_mask(frame_ids(4).index(name))]
        assert np.array_equal(target.numpy(), expected)
        assert len(np.unique(expected)) > 4
    assert len(data.classes) == len(data.palette) == (26 if background == "class" else 25)
    assert data.classes[16] == "vehicle.car"
    assert data.classes[24] == "vehicle.ego"


def test_key_frames_alone_with_their_cameras(root: Path) -> None:
    data = NuImages(root)
    assert data.ids == sorted(frame_ids(4))
    for index, name in enumerate(data.ids):
        sample = data.read(data.ids[index], with_x=False)
        frame = frame_ids(4).index(name)
        assert (sample.image == 90 + frame).all()
        assert sample.intrinsics is not None
        assert sample.intrinsics[0].tolist() == [100 + frame % 2, 0, 8.5]
        assert data.sequence(name) in LOGS


def test_the_devkits_splits(root: Path) -> None:
    write(root, "v1.0-val", 2)
    assert len(NuImages(root)) == 4
    assert len(build_dataset("nuimages", root, split="val")) == 2


def test_another_version_keeps_a_log_on_one_side(root: Path) -> None:
    write(root, "v1.0-mini", 6)
    train, val = (NuImages(root, version="v1.0-mini", split=s) for s in ("train", "val"))  # type: ignore[arg-type]
    assert sorted(train.ids + val.ids) == sorted(frame_ids(6))
    assert len({train.sequence(name) for name in train.ids + val.ids}) == 2
    assert len({train.sequence(name) for name in train.ids}) == 1


def test_paper_draw_does_not_depend_on_the_table(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ValueError, match=r"v1\.0-train has 4 key frames, and subset=paper draws 800"
    ):
        NuImages(root, subset="paper")
    monkeypatch.setattr(nuimages, "PAPER_IMAGES", 10)
    write(root, count=16)
    train = NuImages(root, subset="paper").ids
    val = NuImages(root, subset="paper", split="val").ids
    assert (len(train), len(val), len({*train, *val})) == (7, 3, 10)
    table = root / "v1.0-train/sample_data.json"
    table.write_text(json.dumps(json.loads(table.read_text())[::-1]))
    assert NuImages(root, subset="paper").ids == train
    for option in ({"version": "v1.0-mini"}, {"lists": root}):
        with pytest.raises(ValueError, match="leave version and lists out"):
            NuImages(root, subset="paper", **option)


def test_lists(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(f"{frame_ids(4)[2]}\n{frame_ids(4)[0]}\n")
    data = NuImages(root, lists=tmp_path)
    assert data.ids == [frame_ids(4)[2], frame_ids(4)[0]]
    assert data.read(data.ids[0], with_x=False).image[0, 0, 0] == 92
    (tmp_path / "train.txt").write_text("CAM_FRONT/other")
    with pytest.raises(ValueError, match=r"train\.txt lists 'CAM_FRONT/other', which is not a"):
        NuImages(root, lists=tmp_path)


def test_lists_may_mix_the_tables(root: Path, tmp_path: Path) -> None:
    write(root, "v1.0-val", 6)
    table = root / "v1.0-val/sample_data.json"
    table.write_text(json.dumps(json.loads(table.read_text())[12:]))
    names = [frame_ids(4)[0], frame_ids(6)[5]]
    (tmp_path / "train.txt").write_text("\n".join(names))
    data = NuImages(root, lists=tmp_path)
    assert [data.label_path(name).parent.name for name in data.ids] == [
        "v1.0-train",
        "v1.0-val",
    ]
    for index, frame in enumerate([0, 5]):
        covered = data.read(data.ids[index], with_x=False).target.numpy() < 25
        assert np.array_equal(covered, devkit_mask(frame) > 0)


def test_tables_are_read_late_and_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = spy(monkeypatch)
    data = NuImages(root)
    assert [path.name for path in opened] == ["sample_data.json"]
    for index in [0, 1, 2, 3, 0]:
        data.read(data.ids[index], with_x=False)
    assert sorted(path.name for path in opened if path.suffix == ".json") == [
        *("calibrated_sensor.json", "category.json", "object_ann.json"),
        *("sample_data.json", "surface_ann.json"),
    ]


def test_kept_labels_need_neither_tables_nor_pycocotools(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = NuImages(root, masks=tmp_path / "masks")
    before = [data.read_target(data.ids[i]) for i in range(4)]
    kept = tmp_path / "masks" / f"{data.ids[0]}.png"
    assert kept.is_file()
    assert (
        data.label_path(data.ids[0]).name == "object_ann.json"
    )  # so a cache does not depend on masks
    for table in ("object_ann", "surface_ann", "category"):
        (root / f"v1.0-train/{table}.json").unlink()
    monkeypatch.setattr("lix.core.errors.find_spec", lambda name: None)
    after = NuImages(root, masks=tmp_path / "masks", background="ignore")
    for index, target in enumerate(before):
        ignored = after.read_target(after.ids[index])
        assert np.array_equal(ignored, np.where(target == 25, 255, target))
    assert not list((tmp_path / "masks").rglob(".*"))
    Image.fromarray(np.full(SIZE, 31, np.uint8)).save(kept)
    with pytest.raises(ValueError, match=r"has the label 31, which is not a class; lix did"):
        after.read_target(after.ids[0])


def test_missing_extra_stops_the_opening(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lix.core.errors.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[nuimages\]"'):
        NuImages(root)


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
