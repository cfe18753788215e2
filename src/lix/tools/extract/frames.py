"""How the sensors of a bag stand: transforms, cameras, rectification."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import UserError
from lix.tools.depth.lidar.calibration import Calibration, read_calibration
from lix.tools.depth.lidar.poses import Poses, rotation
from lix.tools.extract.bag import Bag, Topic

TRANSFORM_MESSAGES = 2000
"""Number of messages of transforms that are read: sensors are fixed, and say so at the start."""
FISHEYE = "equidistant"
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera, and how its images are made free of distortion."""

    intrinsics: Matrix
    """(3, 3), pixels."""
    distortion: Matrix
    """Coefficients in OpenCV's order."""
    is_fisheye: bool = False
    maps: tuple[NDArray[Any], NDArray[Any]] | None = None
    """Where each pixel of a rectified image comes from."""

    def for_size(self, size: tuple[int, int]) -> Camera:
        """The camera with the maps of images of (H, W)."""
        if not self.distortion.any():
            return self
        import cv2

        lens: Any = cv2.fisheye if self.is_fisheye else cv2
        k = self.intrinsics
        maps = lens.initUndistortRectifyMap(
            k, self.distortion, np.eye(3), k, size[::-1], cv2.CV_32FC1
        )
        return replace(self, maps=(np.asarray(maps[0]), np.asarray(maps[1])))

    def rectified(self, image: NDArray[Any], *, smooth: bool = True) -> NDArray[Any]:
        """An image (H, W, …) without distortion; outside of it 0."""
        if self.maps is None:
            return image
        import cv2

        how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        fill = 0 if smooth else float("nan")
        return np.asarray(cv2.remap(image, *self.maps, how, None, cv2.BORDER_CONSTANT, fill))


def find_camera(bag: Bag, topic: Topic) -> Camera | None:
    """The camera of an image topic, from the CameraInfo next to it or of its frame.

    Images of a topic with `rect` in its name are taken as rectified.
    """
    infos = [each for each in bag.topics.values() if each.kind == "camera"]
    parents = [topic.name.rsplit("/", n)[0] for n in (1, 2)]
    near = [info for parent in parents for info in infos if info.name == f"{parent}/camera_info"]
    near += [info for info in infos if info.frame == topic.frame]
    if not near:
        return None
    info = bag.first(near[0].name)
    capital = not hasattr(info, "k")  # as the fields are in ROS 1
    k, d, p = (np.array(getattr(info, n.upper() if capital else n), np.float64) for n in "kdp")
    if any("rect" in part for part in topic.name.rsplit("/", 2)[1:]):
        return Camera(p.reshape(3, 4)[:, :3], np.zeros(5))
    is_fisheye = info.distortion_model == FISHEYE
    return Camera(k.reshape(3, 3), d if d.size else np.zeros(5), is_fisheye)


def find_calibration(
    bag: Bag, image: Topic, x: Topic, path: Path | None
) -> tuple[Camera, Calibration]:
    """The camera, and the place of the other sensor in the frame of its rectified images.

    Raises:
        UserError: neither a file nor the bag says it.
    """
    if path is not None:
        given = read_calibration(path, path)
        camera = Camera(given.intrinsics, given.distortion)
        return camera, Calibration(given.intrinsics, given.lidar_to_camera)
    recorded = find_camera(bag, image)
    if recorded is None:
        raise UserError(
            f"{bag.path} has no CameraInfo of {image.name}; give --calibration, a YAML file with "
            "intrinsics and lidar_to_camera.",
            bag.path,
        )
    matrix = find_transform(bag, x.frame, image.frame)
    if matrix is None:
        raise UserError(
            f"{bag.path} has no transform from {x.frame or 'an unnamed frame'} to "
            f"{image.frame or 'an unnamed frame'}; give --calibration, a YAML file with intrinsics "
            "and lidar_to_camera.",
            bag.path,
        )
    return recorded, Calibration(recorded.intrinsics, matrix)


class Motion(NamedTuple):
    """How a sensor moves with the vehicle."""

    poses: Poses
    sensor_to_body: Matrix
    """(4, 4) metres."""

    def between(self, start: int, end: int) -> Matrix:
        """(4, 4) from the sensor's frame at one time to its frame at another, both in ns.

        Raises:
            ValueError: no pose is near.
        """
        return self.poses.sensor_moved(start / 1e9, end / 1e9, self.sensor_to_body)


def find_motion(bag: Bag, topic: Topic, x: Topic) -> Motion:
    """The motion of X's sensor by a topic of odometry.

    Raises:
        UserError: the bag does not say where the sensor is on the vehicle, or has one pose only.
    """
    rows, body = [], ""
    for message in bag.messages([topic.name]):
        each = bag.decode(message)
        place, turn = each.pose.pose.position, each.pose.pose.orientation
        rows.append(
            (message.stamp / 1e9, place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w)
        )
        body = each.child_frame_id
    matrix = find_transform(bag, x.frame, body)
    if matrix is None or len(rows) < 2:
        sensor, vehicle = x.frame or "the sensor", body or "a named frame"
        raise UserError(
            f"{bag.path}: {topic.name} cannot tell how {sensor} moves: it needs two poses or more, "
            f"and a transform from {sensor} to {vehicle}; leave out --odometry.",
            bag.path,
        )
    return Motion(Poses.of(np.array(rows, np.float64)), matrix)


def find_transform(bag: Bag, source: str, target: str) -> Matrix | None:
    """(4, 4) from one frame to another, by the first transforms of each pair; None: unknown."""
    source, target = source.lstrip("/"), target.lstrip("/")
    edges: dict[str, dict[str, Matrix]] = {}
    topics = [topic.name for topic in bag.topics.values() if topic.kind == "transforms"]
    static_first = sorted(topics, key=lambda name: "static" not in name)
    for name in static_first:
        for number, message in enumerate(bag.messages([name])):
            if number == TRANSFORM_MESSAGES:
                break
            for each in bag.decode(message).transforms:
                _add(edges, each)
    todo, matrices = deque([source]), {source: np.eye(4)}
    while todo and target not in matrices:
        frame = todo.popleft()
        for neighbour, matrix in edges.get(frame, {}).items():
            if neighbour not in matrices:
                matrices[neighbour] = matrix @ matrices[frame]
                todo.append(neighbour)
    return matrices.get(target)


def _add(edges: dict[str, dict[str, Matrix]], transform: Any) -> None:
    parent = transform.header.frame_id.lstrip("/")
    child = transform.child_frame_id.lstrip("/")
    if parent in edges.get(child, {}):
        return
    place, turn = transform.transform.translation, transform.transform.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(np.array([turn.x, turn.y, turn.z, turn.w]))
    matrix[:3, 3] = place.x, place.y, place.z
    edges.setdefault(child, {})[parent] = matrix
    edges.setdefault(parent, {})[child] = np.linalg.inv(matrix).astype(np.float64)
