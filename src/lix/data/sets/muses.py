"""MUSES: 2500 real streets in fog, rain and snow, by day and night (Brödermann et al., 2024)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lix.core.errors import DataError, unknown
from lix.core.json_text import parse_json
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import IdLabels
from lix.data.options import Names, XFolders, as_tuple
from lix.data.patterns import find_files
from lix.data.readers import image_size, read_text
from lix.data.sample import scaled_camera
from lix.data.sets.cityscapes import CLASSES, TRAIN_IDS
from lix.data.sets.parts.projection import Projected, Projection
from lix.data.splits import Split, keep_only
from lix.data.x_files import XFiles, XSource

OFFICIAL_SIZE = (1080, 1920)
"""Height and width of the camera, which `calib.json` is of."""
FIX = (
    "project it with the authors' script, python scripts/project_sensors_to_rgb.py --{sensor} "
    "--motion_compensation --muses_root {root}"
)


MODALITIES = {
    "lidar": Projected("lidar", slice(0, 1), XFiles(kind="depth", unit="m")),
    "intensity": Projected("lidar", slice(1, 2), XFiles(kind="channels", scale=1 / 255)),
    "event": Projected(
        "event_camera", slice(0, 2), XFiles(kind="channels", channels=2, scale=1 / 255)
    ),
}
"""X by name: the LiDAR's range, its intensity, and counts of brighter and darker events."""


class MUSES(SegDataset):
    """MUSES with Cityscapes' 19 classes, from its semantic train ids.

    X are the projections into the camera that the authors' script writes as `.npz` or `.npy`, and
    empty where nothing was measured: `lidar` is the distance to the sensor, read as depth in
    metres, `intensity` what came back, `event` the events of the last 30 ms. The labels of `test`
    are not public: without labels its images are frames too.

    A frame id is `train/fog/night/REC0006_frame_042875`. Conditions are `weather` and `time`.

    Args:
        root: folder that holds `frame_camera`, `gt_semantic` and, for X, `projected_to_rgb`.
        labelled: see `SegDataset`.
        split: the official `train` or `val`.
        modalities: the X of the set, one or several of `lidar`, `intensity` and `event`.
        weathers: keep these only, of `clear`, `fog`, `rain` and `snow`.
        times: keep these only, of `day` and `night`.
        parts: keep these official parts only, as in `["test"]`; for unlabelled frames.
        lists: folder with `train.txt` and `val.txt`, a frame id a line.
        x: see `SegDataset`.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    labels = IdLabels(TRAIN_IDS, "train ids are 0 to 18 and 255; unpack MUSES' gt_semantic again")
    left_files: ClassVar[str | None] = "frame_camera/*/*/*/*_frame_camera.png"
    fixes = Fixes(
        root="set data.root to the MUSES folder that holds frame_camera",
        image="unpack the RGB_Frame_Camera package of MUSES in {root}",
        label="unpack the Semantic_Annotations package of MUSES in {root}",
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        modalities: Names = ("lidar",),
        weathers: Names = (),
        times: Names = (),
        parts: Names = (),
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self._modalities = as_tuple(modalities)
        for name in self._modalities:
            if name not in MODALITIES:
                raise ValueError(unknown("modality", name, list(MODALITIES)))
        self._kept = {"part": parts, "weather": weathers, "time": times}
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "frame_camera").is_dir()

    def select(self, split: Split, lists: Path | None) -> list[str]:
        return keep_only(super().select(split, lists), self._kept)

    def frames(self, split: Split | None) -> Collection[str]:
        folder = self.root / "frame_camera"
        images = find_files(folder, f"{split or '*'}/*/*/*_frame_camera.png")
        names = [path.relative_to(folder).as_posix() for path in images]
        return [name.removesuffix("_frame_camera.png") for name in names]

    def image_path(self, frame: str) -> Path:
        return self.root / "frame_camera" / f"{frame}_frame_camera.png"

    def label_path(self, frame: str) -> Path:
        return self.root / "gt_semantic" / f"{frame}_gt_labelTrainIds.png"

    def own_x(self) -> tuple[XSource, ...]:
        return tuple(
            Projection(
                MODALITIES[name],
                partial(self._projection, MODALITIES[name].sensor),
                FIX.format(sensor=MODALITIES[name].sensor, root=self.root),
            )
            for name in self._modalities
        )

    def sequence(self, name: str) -> str:
        return name.split("/")[3].partition("_")[0]

    def conditions(self, frame: str) -> Mapping[str, str]:
        _, weather, time, _ = frame.split("/")
        return {"weather": weather, "time": time}

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self.root / "calib.json"
        if not path.is_file():
            return None
        try:
            (fx, _, cx), (_, fy, cy), _ = parse_json(read_text(path))["intrinsics"]["rgb"]["K"]
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path} holds no camera; unpack it from MUSES again.", path, kind="camera"
            ) from None
        return scaled_camera((fx, fy, cx, cy), OFFICIAL_SIZE, image_size(self.image_path(frame)))

    def _projection(self, sensor: str, frame: str) -> Path:
        path = self.root / "projected_to_rgb" / sensor / f"{frame}_{sensor}.npz"
        array = path.with_suffix(".npy")
        return array if array.is_file() else path
