"""Small bags of a simulated drive along a street, in every format, by rosbags."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lix.streets import StreetPlan
from lix.streets.labels import Label
from lix.streets.lidar import Lidar, sweep
from lix.streets.raycast import ROAD, SKY, TERRAIN, cast
from lix.streets.shade import photograph
from lix.streets.street import Street, draw_street
from lix.streets.weather import draw_weather

START = 1_700_000_000_000_000_000
CAMERA, DEPTH_CAMERA, LIDAR = "camera", "depth_camera", "lidar"
LIDAR_MODEL = Lidar(rings=32, step=0.4)


@dataclass
class Drive:
    """What a vehicle records on a street."""

    size: tuple[int, int] = (48, 96)
    frames: int = 6
    period: float = 0.1
    """Seconds between two images."""
    speed: float = 8.0
    """Metres a second."""
    seed: int = 11
    x: str = "points"
    """`points`, `depth` or `none`."""
    x_delay: float = 0.01
    """Seconds from an image to its X."""
    jpeg: bool = False
    baseline: float = 0.0
    """Metres by which the depth camera stands right of the colour camera."""
    distortion: tuple[float, ...] = ()
    topics: dict[str, str] = field(
        default_factory=lambda: {
            "image": "/camera/image_raw",
            "info": "/camera/camera_info",
            "points": "/lidar/points",
            "depth": "/depth/image_raw",
            "depth_info": "/depth/camera_info",
            "odometry": "/odometry",
        }
    )
    broken: tuple[int, ...] = ()
    """Images whose JPEG ends too early."""
    skip: tuple[str, ...] = ()
    """Kinds of messages that are left out: `info` or `tf`."""


View = tuple[np.ndarray, np.ndarray, np.ndarray]


def views(drive: Drive) -> list[View]:
    """Image and depth in metres of every moment (NaN = sky), and points of their own moment.

    Depth is that of the depth camera, but of the image's moment.
    """
    way = drive.speed * drive.period
    late = drive.speed * drive.x_delay
    where = drive.size, drive.seed, drive.baseline
    return [_view(*where, way * index, late, index) for index in range(drive.frames)]


def labels(drive: Drive) -> list[np.ndarray]:
    """Virtual KITTI 2's class of every pixel of every moment."""
    way = drive.speed * drive.period
    return [_hit_labels(_place(drive.size, drive.seed, way * n)) for n in range(drive.frames)]


def _hit_labels(street: Street) -> np.ndarray:
    hits = cast(street.scene, street.road, street.camera)
    labels = street.scene.label[np.maximum(hits.index, 0)]
    for index, label in ((SKY, Label.SKY), (TERRAIN, Label.TERRAIN), (ROAD, Label.ROAD)):
        labels[hits.index == index] = label
    return labels


def _place(size: tuple[int, int], seed: int, metres: float) -> Street:
    """The street of a seed, and the vehicle so far along it."""
    plan = StreetPlan(1, size, seed)
    street = draw_street(plan.generators(0)[1], plan.kind, plan.size)
    x, y, z = street.camera.position
    return street._replace(camera=replace(street.camera, position=(x, y, z + metres)))


@lru_cache(maxsize=64)
def _view(
    size: tuple[int, int], seed: int, baseline: float, metres: float, late: float, index: int
) -> View:
    here = _place(size, seed, metres)
    weather = draw_weather(StreetPlan(1, size, seed).generators(0)[0], "clone")
    hits = cast(here.scene, here.road, here.camera)
    rgb = photograph(here, here.camera, hits, weather, np.random.default_rng(0))
    depth = cast(here.scene, here.road, here.camera.beside(baseline)).depth
    depth = np.where(np.isfinite(depth) & (depth < 60), depth, np.nan)
    there = _place(size, seed, metres + late)
    return rgb, depth, sweep(there, LIDAR_MODEL, np.random.default_rng(index))


def matrix(drive: Drive) -> np.ndarray:
    plan = StreetPlan(1, drive.size, drive.seed)
    v, u = ((side - 1) / 2 for side in drive.size)
    return np.array([[plan.focal, 0, u], [0, plan.focal, v], [0, 0, 1]])


class _Bag:
    """A writer of ROS 1 or ROS 2 messages."""

    def __init__(self, path: Path) -> None:
        self.is1 = path.suffix == ".bag"
        self.store = get_typestore(Stores.ROS1_NOETIC if self.is1 else Stores.ROS2_HUMBLE)
        if self.is1:
            transforms = "geometry_msgs/TransformStamped[] transforms"
            self.store.register(get_types_from_msg(transforms, "tf2_msgs/msg/TFMessage"))
            self.writer: Any = Writer1(path)
        else:
            plugin = StoragePlugin.MCAP if "mcap" in path.name else StoragePlugin.SQLITE3
            self.writer = Writer2(path, version=9, storage_plugin=plugin)
        self.writer.open()
        self.connections: dict[str, Any] = {}

    def type(self, name: str) -> Any:
        return self.store.types[name]

    def header(self, stamp: int, frame: str) -> Any:
        time = self.type("builtin_interfaces/msg/Time")(stamp // 10**9, stamp % 10**9)
        more = {"seq": 0} if self.is1 else {}
        return self.type("std_msgs/msg/Header")(stamp=time, frame_id=frame, **more)

    def write(self, topic: str, stamp: int, kind: str, /, **fields: Any) -> None:
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, kind, typestore=self.store)
        message = self.type(kind)(**fields)
        dump = self.store.serialize_ros1 if self.is1 else self.store.serialize_cdr
        self.writer.write(self.connections[topic], stamp, dump(message, kind))


def write_bag(path: Path, drive: Drive | None = None) -> Path:
    """Write a drive as `NAME.bag`, or as the folder of a ROS 2 bag (MCAP if `mcap` is in NAME)."""
    drive = drive or Drive()
    bag = _Bag(path)
    if "tf" not in drive.skip:
        _write_transforms(bag, drive)
    _write_odometry(bag, drive)
    for index, (rgb, depth, points) in enumerate(views(drive)):
        stamp = START + round(index * drive.period * 1e9)
        _write_image(bag, drive, stamp, rgb)
        later = stamp + round(drive.x_delay * 1e9)
        if drive.x == "points":
            _write_points(bag, drive, later, points)
        elif drive.x == "depth":
            _write_depth(bag, drive, later, depth)
    bag.writer.close()
    return path


def _write_info(bag: _Bag, topic: str, header: Any, drive: Drive, bent: tuple[float, ...]) -> None:
    k = matrix(drive)
    p = np.concatenate([k, np.zeros((3, 1))], axis=1)
    arrays = {"d": np.array(bent or (0.0,) * 5), "k": k.ravel(), "p": p.ravel()}
    arrays["r"] = np.eye(3).ravel()
    if bag.is1:
        arrays = {name.upper(): values for name, values in arrays.items()}
    roi = bag.type("sensor_msgs/msg/RegionOfInterest")(0, 0, 0, 0, False)
    stamp = header.stamp.sec * 10**9 + header.stamp.nanosec
    bag.write(
        topic, stamp, "sensor_msgs/msg/CameraInfo", header=header, height=drive.size[0],
        width=drive.size[1], distortion_model="plumb_bob", **arrays,
        binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip


def _write_image(bag: _Bag, drive: Drive, stamp: int, rgb: np.ndarray) -> None:
    header = bag.header(stamp, CAMERA)
    if "info" not in drive.skip:
        _write_info(bag, drive.topics["info"], header, drive, drive.distortion)
    if drive.jpeg:
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "JPEG", quality=95)
        cut = 200 if round((stamp - START) / drive.period / 1e9) in drive.broken else None
        data = np.frombuffer(buffer.getvalue()[:cut], np.uint8)
        kind = "sensor_msgs/msg/CompressedImage"
        bag.write(drive.topics["image"], stamp, kind, header=header, format="jpeg", data=data)
        return
    _write_raw(bag, drive.topics["image"], stamp, header, rgb[..., ::-1], "bgr8")


def _write_raw(
    bag: _Bag, topic: str, stamp: int, header: Any, values: np.ndarray, encoding: str
) -> None:
    data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    height, width = values.shape[:2]
    bag.write(
        topic, stamp, "sensor_msgs/msg/Image", header=header, height=height, width=width,
        encoding=encoding, is_bigendian=0, step=len(data) // height, data=data,
    )  # fmt: skip


def _write_depth(bag: _Bag, drive: Drive, stamp: int, depth: np.ndarray) -> None:
    header = bag.header(stamp, DEPTH_CAMERA)
    _write_info(bag, drive.topics["depth_info"], header, drive, ())
    millimetres = np.nan_to_num(1000 * depth).round().astype(np.uint16)
    _write_raw(bag, drive.topics["depth"], stamp, header, millimetres, "16UC1")


def _write_points(bag: _Bag, drive: Drive, stamp: int, points: np.ndarray) -> None:
    make = bag.type("sensor_msgs/msg/PointField")
    names = ("x", "y", "z", "intensity")
    fields = [make(name, 4 * place, 7, 1) for place, name in enumerate(names)]
    header = bag.header(stamp, LIDAR)
    bag.write(
        drive.topics["points"], stamp, "sensor_msgs/msg/PointCloud2", header=header, height=1,
        width=len(points), fields=fields, is_bigendian=False, point_step=16,
        row_step=16 * len(points), data=np.frombuffer(points.tobytes(), np.uint8), is_dense=True,
    )  # fmt: skip


def _write_odometry(bag: _Bag, drive: Drive) -> None:
    """Poses of the base along its way, which in the street's frame is along the road's start."""
    point, quaternion = (bag.type(f"geometry_msgs/msg/{n}") for n in ("Point", "Quaternion"))
    pose, vector = (bag.type(f"geometry_msgs/msg/{n}") for n in ("Pose", "Vector3"))
    twist = bag.type("geometry_msgs/msg/Twist")(vector(0.0, 0.0, 0.0), vector(0.0, 0.0, 0.0))
    with_spread = [bag.type(f"geometry_msgs/msg/{n}WithCovariance") for n in ("Pose", "Twist")]
    # The camera does not look along its way exactly, and the base is level with the camera.
    street = _place(drive.size, drive.seed, 0.0)
    right, down, ahead = street.camera.axes @ np.array([0, 0, 1.0])
    for index in range(drive.frames + 2):
        stamp = START + round((index - 1) * drive.period * 1e9)
        metres = (index - 1) * drive.period * drive.speed
        place = point(*(metres * np.array([ahead, -right, -down])).tolist())
        bag.write(
            drive.topics["odometry"], stamp, "nav_msgs/msg/Odometry",
            header=bag.header(stamp, "odom"), child_frame_id="base",
            pose=with_spread[0](pose(place, quaternion(0.0, 0.0, 0.0, 1.0)), np.zeros(36)),
            twist=with_spread[1](twist, np.zeros(36)),
        )  # fmt: skip


def _write_transforms(bag: _Bag, drive: Drive) -> None:
    """base → camera, base → lidar, camera → depth_camera."""
    lidar = LIDAR_MODEL.lidar_to_camera
    base = np.eye(4)
    base[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    base[:3, 3] = (1.5, 0, 1.6)
    beside = np.eye(4)
    beside[0, 3] = drive.baseline
    edges = (("base", CAMERA, base), ("base", LIDAR, base @ lidar), (CAMERA, DEPTH_CAMERA, beside))
    vector, quaternion = (bag.type(f"geometry_msgs/msg/{n}") for n in ("Vector3", "Quaternion"))
    transforms = []
    for parent, child, pose in edges:
        turn = quaternion(*_quaternion(pose[:3, :3]))
        made = bag.type("geometry_msgs/msg/Transform")(vector(*pose[:3, 3]), turn)
        stamped = bag.type("geometry_msgs/msg/TransformStamped")
        transforms.append(stamped(bag.header(START, parent), child, made))
    bag.write("/tf_static", START, "tf2_msgs/msg/TFMessage", transforms=transforms)


def _quaternion(turn: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation, from the eigenvector of its axis."""
    values, vectors = np.linalg.eig(turn)
    axis = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    sine = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    angle = np.arctan2(axis @ sine, (np.trace(turn) - 1) / 2)
    x, y, z = axis * np.sin(angle / 2)
    return float(x), float(y), float(z), float(np.cos(angle / 2))
