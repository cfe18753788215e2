"""A ROS bag as topics and a stream of messages, never as a whole."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lix.core.errors import UserError, require, unknown
from lix.tools.extract.messages import depth_unit

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

KINDS = {
    "sensor_msgs/msg/Image": "image",
    "sensor_msgs/msg/CompressedImage": "image",
    "sensor_msgs/msg/PointCloud2": "points",
    "sensor_msgs/msg/CameraInfo": "camera",
    "tf2_msgs/msg/TFMessage": "transforms",
    "tf/msg/tfMessage": "transforms",
    "nav_msgs/msg/Odometry": "odometry",
}
"""Type of a topic → what it is here; images of depth become `depth`."""
X_KINDS = ("depth", "points")


class Topic(NamedTuple):
    """A topic that is of use."""

    name: str
    kind: str
    """A value of `KINDS`, or `depth`."""
    type: str
    length: int
    """Number of messages."""
    frame: str
    """Frame of its first message."""


class Message(NamedTuple):
    """A message, not decoded."""

    topic: str
    stamp: int
    """Time of measurement in nanoseconds, or of recording where the header has none."""
    type: str
    data: bytes


class Bag:
    """An open bag.

    Args:
        reader: of rosbags.
        path: the bag, for messages.
    """

    def __init__(self, reader: AnyReader, path: Path) -> None:
        self._reader, self.path = reader, path
        self.seconds = max(0, reader.duration) / 1e9
        self.topics = {
            name: self._topic(name, str(info.msgtype), info.msgcount)
            for name, info in reader.topics.items()
            if info.msgtype in KINDS and info.msgcount
        }

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        """All messages of some topics, in the order of their recording."""
        chosen = [each for each in self._reader.connections if each.topic in topics]
        if not chosen:
            return
        with reading(self.path):
            for connection, recorded, data in self._reader.messages(connections=chosen):
                stamp = self._stamp(connection.msgtype, data) or recorded
                yield Message(connection.topic, stamp, connection.msgtype, bytes(data))

    def decode(self, message: Message) -> Any:
        """The fields of a message.

        Raises:
            UserError: it is damaged.
        """
        with reading(self.path):
            return self._reader.deserialize(message.data, message.type)

    def first(self, topic: str) -> Any:
        """Fields of a topic's first message."""
        return self.decode(next(self.messages([topic])))

    def choose(self, named: str | None, kinds: Collection[str], option: str) -> Topic:
        """The topic that the user names, or the only one of its kind.

        Raises:
            UserError: no such topic, none of its kind, or several.
        """
        fitting = [topic for topic in self.topics.values() if topic.kind in kinds]
        names = [topic.name for topic in fitting]
        if named is not None:
            if named not in names:
                what = " or ".join(kinds)
                raise UserError(f"{self.path}: {unknown(f'topic of {what}', named, names)}")
            return self.topics[named]
        depth = [topic for topic in fitting if topic.kind == kinds[0]]  # type: ignore[index]
        if len(depth) == 1:
            return depth[0]
        if len(fitting) == 1:
            return fitting[0]
        problem = f"several ({', '.join(names)}); choose one" if names else "none; record one"
        raise UserError(
            f"{self.path} must have one topic of {' or '.join(kinds)}, and has {problem} with "
            f"{option} (--list shows all).",
            self.path,
        )

    def _topic(self, name: str, kind: str, count: int) -> Topic:
        first = self.first(name)
        header = getattr(first, "header", None)
        role = KINDS[kind]
        if role == "image" and depth_unit(first) is not None:
            role = "depth"
        return Topic(name, role, kind, count, str(getattr(header, "frame_id", "")))

    def _stamp(self, kind: str, data: bytes) -> int:
        """Time in a message's header in ns; 0 where it has none."""
        if KINDS[kind] == "transforms":
            return 0
        # ROS 1 begins with a counter, ROS 2 with four bytes that say how it is encoded.
        order = ">" if self._reader.is2 and data[1] % 2 == 0 else "<"
        seconds, rest = struct.unpack_from(f"{order}iI" if self._reader.is2 else "<II", data, 4)
        return int(seconds) * 1_000_000_000 + int(rest)


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open a bag: `.bag` of ROS 1, `.db3`, `.mcap` or a folder with `metadata.yaml` of ROS 2.

    Raises:
        ModuleNotFoundError: rosbags is missing.
        UserError: missing, damaged or not a bag.
    """
    require("ros", "rosbags", "cv2")
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    if not path.exists():
        raise UserError(f"{path} is missing; name a bag.", path, kind="missing")
    with reading(path):
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    try:
        with reading(path):
            bag = Bag(reader, path)
        yield bag
    finally:
        reader.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what rosbags and its storages raise for damaged bags into one sentence."""
    try:
        yield
    except (UserError, GeneratorExit, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - each storage raises errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is not a bag that can be read ({reason}); name a .bag, .db3 or .mcap file or "
            "a folder with metadata.yaml; `rosbag reindex` and `ros2 bag reindex` repair bags.",
            path,
            kind="bag",
        ) from None
