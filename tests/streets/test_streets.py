"""Procedural Streets: files, reproducibility and geometry."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lix.streets import WORLDS, StreetPlan, write_streets
from lix.streets.camera import Camera
from lix.streets.ground import Road
from lix.streets.labels import COLOUR_TABLE, COLOURS, Label
from lix.streets.plan import BASELINE
from lix.streets.raycast import ROAD, cast
from lix.streets.render import render
from lix.streets.scene import Scene
from lix.streets.shapes import BOX, SHAPES, Polyhedron, Shape
from lix.streets.solids import Paint, Thing
from lix.streets.street import draw_street

SIZE = (48, 160)
SEVERAL = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of the first world."""
    folder = tmp_path_factory.mktemp("streets")
    write_streets(folder, StreetPlan(SEVERAL, SIZE))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(path: Path | str) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def plan_of(world: str = "town", images: int = SEVERAL, size: tuple[int, int] = SIZE) -> StreetPlan:
    return StreetPlan(images, size, world=world)


def plain_road() -> Road:
    """A wide, straight, level road in place of a drawn one."""
    return Road(
        curvature=0.0, half_width=1000.0, lane_width=3.0, lanes=1, parking=0.0, kerb=0.0,
        pavement=1.0, crossing=float("inf"), crossing_half_width=3.0, asphalt=Paint((0.3,) * 3),
        paving=Paint((0.3,) * 3), soil=Paint((0.3,) * 3), bare=0.0,
    )  # fmt: skip


def camera(yaw: float = 0.0, pitch: float = 0.0, size: tuple[int, int] = (60, 200)) -> Camera:
    return Camera(size, focal=120.0, position=(0.0, 1.6, 0.0), yaw=yaw, pitch=pitch)


class TestFiles:
    def test_same_arguments_same_bytes(self, root: Path, tmp_path: Path) -> None:
        write_streets(tmp_path, StreetPlan(SEVERAL, SIZE))
        assert contents(tmp_path) == contents(root)

    def test_workers_do_not_matter_nor_where_they_start(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PYTHONSAFEPATH", "1")
        monkeypatch.setattr("lix.streets.write.sys", SimpleNamespace(version_info=(3, 10)))
        write_streets(Path("new"), StreetPlan(SEVERAL, SIZE), workers=2)
        assert contents(tmp_path / "new") == contents(root)

    def test_seeds_and_worlds_differ(self) -> None:
        plans = [StreetPlan(1, SIZE, seed, world) for seed in (0, 1) for world in WORLDS]
        images = {next(render(plan, 0, (0,))).rgb.tobytes() for plan in plans}
        assert len(images) == len(plans)

    def test_an_image_does_not_depend_on_the_others(self, root: Path) -> None:
        plan = StreetPlan(1000, SIZE)
        frame = next(render(plan, 3, (0,)))
        (path,) = root.rglob("classSegmentation/Camera_0/classgt_00003.png")
        assert np.array_equal(frame.classes, read(path))

    def test_lists_split_the_images(self, root: Path) -> None:
        train, val = ((root / f"{s}.txt").read_text().split() for s in ("train", "val"))
        assert (len(train), len(val)) == (4, 2)
        assert [line.rsplit("/", 1)[1] for line in train + val] == [
            f"{index:05d}" for index in range(SEVERAL)
        ]
        assert all(line.startswith("Scene01/") and "/Camera_0/" in line for line in train + val)

    def test_every_listed_frame_has_its_files(self, root: Path) -> None:
        names = {"rgb": "rgb_{}.jpg", "depth": "depth_{}.png",
                 "classSegmentation": "classgt_{}.png"}  # fmt: skip
        for line in (root / "train.txt").read_text().split():
            scene, variation, _, index = line.split("/")
            for camera_id in ("Camera_0", "Camera_1"):
                for modality, name in names.items():
                    folder = root / scene / variation / "frames" / modality / camera_id
                    assert read(folder / name.format(index)).shape[:2] == SIZE

    def test_encodings(self, root: Path) -> None:
        for path in sorted(root.rglob("classgt_*.png")):
            classes = read(path)
            official = (classes[:, :, None] == COLOUR_TABLE).all(axis=-1)
            assert official.any(axis=-1).all()
            depth_path = str(path).replace("classSegmentation", "depth").replace("classgt", "depth")
            depth = read(depth_path)
            assert depth.dtype == np.uint16
            assert depth.shape == SIZE
            sky = (classes == COLOURS["Sky"]).all(axis=-1)
            assert np.array_equal(depth == 65535, sky)
        assert {read(p).shape for p in root.rglob("rgb_*.jpg")} == {(*SIZE, 3)}

    def test_text_files(self, root: Path) -> None:
        for folder in (root / "Scene01").iterdir():
            header, *rows = (folder / "colors.txt").read_text().splitlines()
            assert header == "Category r g b"
            assert {r.split()[0]: tuple(map(int, r.split()[1:])) for r in rows} == COLOURS
            header, *rows = (folder / "intrinsic.txt").read_text().splitlines()
            assert header == "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"
            frames = {p.stem[-5:] for p in folder.rglob("rgb_*.jpg")}
            assert sorted(f"{int(r.split()[0]):05d}" for r in rows) == sorted([*frames, *frames])
            _, _, fx, fy, cx, cy = map(float, rows[0].split())
            assert fx == fy == pytest.approx(725.0087 / 1242 * SIZE[1], rel=1e-6)
            assert (cx, cy) == ((SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2)

    def test_only_missing_images_are_made(self, tmp_path: Path) -> None:
        plan = StreetPlan(3, (32, 64))
        write_streets(tmp_path, plan, cameras=(0,))
        before = contents(tmp_path)
        lost = sorted(tmp_path.rglob("depth_*.png"))[1]
        lost.unlink()
        ages = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*g")}
        calls: list[tuple[int, int]] = []
        write_streets(
            tmp_path, plan, cameras=(0,),
            progress=lambda done, total: calls.append((done, total)),
        )  # fmt: skip
        assert calls == [(2, 3), (3, 3)]
        assert contents(tmp_path) == before
        kept = [p for p in ages if p.stem[-5:] != lost.stem[-5:]]
        assert all(p.stat().st_mtime_ns == ages[p] for p in kept)

    @pytest.mark.parametrize("change", [{"seed": 1}, {"world": "highway"}, {"images": 7}])
    def test_other_streets_are_not_mixed(self, root: Path, change: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="choose another folder"):
            write_streets(root, StreetPlan(**{"images": SEVERAL, "size": SIZE, **change}))

    def test_another_data_set_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "Scene20").mkdir()
        with pytest.raises(ValueError, match="another data set"):
            write_streets(tmp_path, StreetPlan(1, SIZE))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"world": "twon"}, "Did you mean 'town'.*highway"),
            ({"images": 0}, "images is 0; pass 1"),
            ({"size": (16, 160)}, "at least 32"),
            ({"val_images": 9}, "0 to images"),
            ({"seed": -1}, "seed is -1"),
        ],
    )
    def test_bad_plans(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            StreetPlan(**{"images": 4, "size": SIZE, **change})

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"cameras": (2,)}, "cameras"),
            ({"cameras": ()}, "cameras"),
            ({"workers": 0}, "workers is 0"),
        ],
    )
    def test_bad_arguments(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            write_streets(tmp_path / "new", StreetPlan(4, SIZE), **change)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("world", WORLDS)
def test_all_classes_occur(world: str) -> None:
    plan = plan_of(world, images=40, size=(32, 106))
    pixels = np.zeros(len(Label), dtype=np.int64)
    for index in range(plan.images):
        street = draw_street(plan.generators(index)[1], plan.kind, plan.size)
        hits = cast(street.scene, street.road, street.camera)
        pixels += np.bincount(street.scene.label[hits.index[hits.index >= 0]], minlength=15)
    solids = set(Label) - {Label.SKY, Label.ROAD}
    share = pixels / (40 * 32 * 106)
    assert {label.name for label in solids if share[label] < 1e-4} == set()


class TestGeometry:
    @pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.2, 0.0), (-0.1, 0.05)])
    def test_depth_is_along_the_optical_axis(self, yaw: float, pitch: float) -> None:
        wall = Thing(0, 0.0, 0.0, 10.5, 0.0)
        wall.add(BOX, Label.BUILDING, (0, 0, 0), (50, 50, 0.5), Paint((0.5,) * 3))
        view = camera(yaw, pitch)
        hits = cast(Scene(wall.solids), plain_road(), view)
        rays = view.rays.astype(np.float64)
        here = hits.index == 0
        assert here.mean() > 0.5
        expected = 10.0 / rays[2]
        assert np.allclose(hits.depth[here], expected[here], rtol=1e-4)
        if yaw == pitch == 0.0:
            assert np.allclose(hits.depth[here], 10.0, rtol=1e-5)

    def test_depth_of_the_ground(self) -> None:
        wall = Thing(0, 0.0, 0.0, -50.0, 0.0)
        wall.add(BOX, Label.BUILDING, (0, 0, 0), (1, 1, 1), Paint((0.5,) * 3))
        hits = cast(Scene(wall.solids), plain_road(), camera())
        rows = np.arange(40, 60)
        expected = 1.6 * 120.0 / (rows - 29.5)
        assert np.allclose(hits.depth[40:], expected[:, None], rtol=1e-4)
        assert (hits.index[40:] == ROAD).all()
        assert np.isinf(hits.depth[:29]).all()

    @pytest.mark.parametrize("shape", SHAPES)
    def test_rays_end_on_the_surface(self, shape: Shape) -> None:
        thing = Thing(0, 0.4, 0.0, 9.0, 0.6)
        thing.add(shape, Label.MISC, (0, 2.0, 0), (2.0, 1.4, 1.1), Paint((0.5,) * 3))
        scene, view = Scene(thing.solids), camera(0.05, 0.02)
        hits = cast(scene, plain_road(), view)
        here = hits.index == 0
        points = view.origin[:, None] + hits.depth[here] * view.rays[:, here]
        unit = scene.to_unit[0] @ (points - scene.centre[0][:, None])
        assert here.sum() > 200
        assert np.abs(_signed_distance(shape, unit)).max() < 2e-3

    @pytest.mark.parametrize("world", WORLDS)
    def test_clipping_to_the_screen_loses_nothing(
        self, world: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        street = draw_street(plan_of(world).generators(4)[1], WORLDS[world], SIZE)
        clipped = cast(street.scene, street.road, street.camera)
        everything = (slice(0, SIZE[0]), slice(0, SIZE[1]))
        monkeypatch.setattr(Camera, "windows", lambda self, points: [everything] * len(points))
        complete = cast(street.scene, street.road, street.camera)
        assert (clipped.index != complete.index).mean() < 5e-4

    @pytest.mark.parametrize("index", range(3))
    def test_stereo(self, index: int) -> None:
        size = (96, 320)
        plan = plan_of(size=size)
        left, right = render(plan, index, (0, 1))
        depth = left.depth / 100.0
        disparity = plan.focal * BASELINE / depth
        rows, columns = np.indices(size)
        target = columns - disparity
        whole = np.abs(target - np.rint(target)) < 0.05
        usable = whole & (target >= 0) & (left.depth < 65535) & _is_smooth(depth)
        to = rows[usable], np.rint(target[usable]).astype(int)
        agrees = np.abs(right.depth[to] / 100.0 - depth[usable]) < 0.02 * depth[usable]
        assert usable.sum() > 500
        assert agrees.mean() > 0.9
        same_class = (left.classes[usable] == right.classes[to]).all(axis=-1)
        assert same_class[agrees].mean() > 0.98
        near = agrees & (depth[usable] < 25)
        moved = _difference(left.rgb[usable][near], right.rgb[to][near])
        unmoved = _difference(left.rgb[usable][near], right.rgb[usable][near])
        assert moved < 0.75 * unmoved


def _signed_distance(shape: Shape, unit: NDArray[Any]) -> NDArray[Any]:
    """Zero on the surface of the unit shape at points (3, N)."""
    if isinstance(shape, Polyhedron):
        return np.asarray((shape.normals @ unit - shape.offsets[:, None]).max(axis=0))
    x, y, z = unit
    side = np.hypot(x, z) - np.sqrt(np.maximum(shape.c0 + shape.c1 * y + shape.c2 * y**2, 0))
    if shape.c2 == -1.0:
        return np.asarray(np.linalg.norm(unit, axis=0) - 1)
    return np.asarray(np.maximum(side, np.abs(y) - 1))


def _is_smooth(depth: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether depth changes by less than 3 % to the pixels on either side."""
    step = np.abs(np.diff(depth, axis=1)) < 0.03 * depth[:, 1:]
    smooth = np.zeros(depth.shape, dtype=np.bool_)
    smooth[:, 1:-1] = step[:, 1:] & step[:, :-1]
    return smooth


def _difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(float) - b).mean())
