"""Tables and images of nuImages as its development kit writes them, for tests of the loader."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lix.data.sets.nuimages import CLASSES

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
