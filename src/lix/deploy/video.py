"""Videos: decoding, painting frame by frame, and encoding."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import require
from lix.core.files import atomic_write
from lix.deploy.prefetch import prefetch

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".ts", ".mts", ".m2ts", ".3gp", ".ogv"),
)
MPEG4_BITS_PER_PIXEL = 0.3
"""Bit rate of the encoder that is used where H.264 is missing; its default is far too low."""


HD = (1280, 576)
"""A video is HD from this width on, or above this height."""
UNSPECIFIED, BT_709, LIMITED_RANGE = 2, 1, 1
"""Numbers of FFmpeg for colours."""


Frame = NDArray[np.uint8]
"""(H, W, 3) RGB, upright."""


def repaint(
    source: Path,
    target: Path,
    paint: Callable[[Iterator[Frame]], Generator[Frame, None, None]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a video as MP4 with all frames passed through `paint`; sound is left out.

    The frame rate is the source's mean one, and the shape of the pixels is kept; the colours are
    those of BT.709, and the file says so. A frame with an odd height or width repeats its last
    row or column, because players of H.264 expect even sizes. Threads decode and encode a few
    frames ahead of `paint` and behind it.

    Args:
        source: the video.
        target: the MP4 file.
        paint: takes the upright (H, W, 3) RGB frames and yields one of the same shape for each.
        progress: called with the number of finished frames, and of all of them (0 = unknown).

    Raises:
        ModuleNotFoundError: PyAV is missing.
        ValueError: the source is not a video, is damaged or has no frame.
        OSError: the target cannot be written.
    """
    require("video", "av")
    import av

    with _open(source) as reader, atomic_write(target) as part, av.open(part, "w") as writer:
        encode, total, done = _Encoder(writer, reader), _length(reader), 0
        with (
            closing(_decoded(reader, source)) as frames,
            closing(paint(frames)) as painted,
            closing(prefetch(encode, painted)) as encoded,
        ):
            for done, _ in enumerate(encoded, start=1):
                if progress is not None:
                    progress(done, total)
        if not done:
            raise ValueError(f"{source} has no frame; choose another video.")
        encode.finish()


def frame_rate(source: Path) -> Fraction:
    """Mean number of frames a second of a video.

    Raises:
        ValueError: it is not a video.
    """
    require("video", "av")
    with _open(source) as reader:
        return _rate(reader)


def _open(source: Path) -> Any:
    import av

    try:
        reader = av.open(source)
    except av.FFmpegError as error:
        raise ValueError(_damaged(source, error)) from None
    if not reader.streams.video:
        reader.close()
        raise ValueError(f"{source} has no pictures; choose another video.")
    return reader


def _decoded(reader: Any, source: Path) -> Generator[Frame, None, None]:
    frames = _frames(reader, source)
    with closing(prefetch(lambda _: next(frames, None), repeat(None))) as decoded:
        for frame in decoded:
            if frame is None:
                return
            yield frame


def _frames(reader: Any, source: Path) -> Iterator[Frame]:
    """The upright frames of the first video stream."""
    import av

    try:
        for frame in reader.decode(video=0):
            quarter_turns = frame.rotation // 90
            rgb = frame.reformat(format="rgb24", src_colorspace=_colour_space(frame))
            yield np.rot90(rgb.to_ndarray(), quarter_turns)
    except av.FFmpegError as error:
        raise ValueError(_damaged(source, error)) from None


def _colour_space(frame: Any) -> Any:
    """Matrix by which a frame's colours are meant; None: the one that the frame names.

    Like players take it where a file names none: BT.709 for HD, which FFmpeg does not do.
    """
    from av.video.reformatter import Colorspace

    is_hd = frame.width >= HD[0] or frame.height > HD[1]
    return Colorspace.ITU709 if frame.colorspace == UNSPECIFIED and is_hd else None


def _damaged(source: Path, error: Any) -> str:
    return f"{source} is damaged or not a video ({error.strerror}); replace the file."


def _even(picture: Frame) -> Frame:
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _rate(reader: Any) -> Fraction:
    stream = reader.streams.video[0]
    rate = stream.average_rate or stream.guessed_rate or 25
    return Fraction(rate).limit_denominator(1001)


def _length(reader: Any) -> int:
    """Number of frames, estimated from the duration (in microseconds) if need be; 0 = unknown."""
    return reader.streams.video[0].frames or round((reader.duration or 0) * _rate(reader) / 10**6)


class _Encoder:
    """Encodes frames into a container; the first one decides the size."""

    def __init__(self, writer: Any, reader: Any) -> None:
        self.writer, self.rate = writer, _rate(reader)
        source = reader.streams.video[0]
        self.aspect = Fraction(source.sample_aspect_ratio or 1)
        self.is_wide = source.codec_context.width > source.codec_context.height
        self.stream: Any = None

    def __call__(self, frame: Frame) -> None:
        import av
        from av.video.reformatter import Colorspace

        picture = _even(frame)
        self.stream = self.stream or self._open(*picture.shape[:2])
        rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
        encoded = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        encoded.colorspace, encoded.color_range = BT_709, LIMITED_RANGE
        self.writer.mux(self.stream.encode(encoded))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self.writer.mux(self.stream.encode())

    def _open(self, height: int, width: int) -> Any:
        import av

        has_h264 = "libx264" in av.codecs_available
        stream = self.writer.add_stream("libx264" if has_h264 else "mpeg4", rate=self.rate)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        is_turned = (width > height) != self.is_wide
        codec = stream.codec_context
        codec.sample_aspect_ratio = 1 / self.aspect if is_turned else self.aspect
        codec.colorspace = codec.color_primaries = codec.color_trc = BT_709
        codec.color_range = LIMITED_RANGE
        if not has_h264:
            stream.bit_rate = round(MPEG4_BITS_PER_PIXEL * height * width * self.rate)
        return stream
