"""Colours and pixel shapes of videos: what the network and players see is what the source shows."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lix.deploy.video import repaint
from tests.deploy.test_video import each, same

COLOURS = [(200, 0, 0), (0, 160, 0), (0, 0, 200), (128, 64, 128), (0, 0, 142), (120, 180, 250)]
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}
"""Weights of red and blue by FFmpeg's number of the matrix: BT.709 and BT.601."""


def to_yuv(rgb, matrix, full):
    red, blue = WEIGHTS[matrix]
    r, g, b = (c / 255 for c in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    scales = (0, 255, 255) if full else (16, 219, 224)
    return [round(scales[0] + scales[1] * y), *(round(128 + scales[2] * c) for c in chroma)]


def from_yuv(y, u, v):
    """BT.709 of limited range, as an HD player shows it."""
    red, blue = WEIGHTS[1]
    y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = y + (2 - 2 * red) * v, y + (2 - 2 * blue) * u
    return [255 * min(max(c, 0), 1) for c in (r, (y - red * r - blue * b) / (1 - red - blue), b)]


def write_bars(path, height, width, matrix=1, tag=None, full=False, aspect=None, rotation=None):
    """A bar of each colour, encoded without loss by the numbers of a matrix."""
    bar = width // len(COLOURS)
    y, u, v = np.array([to_yuv(c, matrix, full) for c in COLOURS], np.uint8).T
    planes = [
        np.repeat(y, bar)[None].repeat(height, 0),
        *(np.repeat(c, bar // 2)[None].repeat(height // 2, 0) for c in (u, v)),
    ]
    pixels = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, width)
    with av.open(path, "w") as writer:
        stream = writer.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.options = {"crf": "0", "preset": "ultrafast"}
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        codec = stream.codec_context
        if tag is not None:
            codec.colorspace, codec.color_range = tag, 2 if full else 1
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            if tag is not None:
                frame.colorspace, frame.color_range = tag, 2 if full else 1
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((64, 96), {"tag": 1}),
        ((64, 96), {"tag": 5, "matrix": 5}),
        ((64, 96), {"tag": 1, "full": True}),
        ((64, 96), {"matrix": 5}),  # SD without a tag
        ((720, 1248), {}),  # HD without a tag
        ((64, 1296), {}),
    ],
)
def test_the_network_and_players_see_the_colours_of_the_source(tmp_path, size, options):
    frames = []
    target = tmp_path / "out.mp4"
    repaint(
        write_bars(tmp_path / "in.mp4", *size, **options),
        target,
        each(lambda frame: frames.append(np.array(frame)) or frame),
    )
    bar = size[1] // len(COLOURS)
    places = bar // 2 + bar * np.arange(len(COLOURS))
    assert np.abs(frames[0][size[0] // 2, places].astype(int) - COLOURS).max() <= 4
    with av.open(target) as reader:
        codec = reader.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_range) == (1, 1)
        pixels = next(reader.decode(video=0)).to_ndarray()
    height, width = size
    luma = pixels[:height]
    u, v = pixels[height:].reshape(2, height // 2, width // 2)
    for place, colour in zip(places, COLOURS, strict=True):
        yuv = (float(c[len(c) // 2, place * c.shape[1] // width]) for c in (luma, u, v))
        assert np.abs(np.array(from_yuv(*yuv)) - colour).max() <= 8


@pytest.mark.parametrize(
    ("rotation", "expected"), [(None, Fraction(4, 3)), (90, Fraction(3, 4)), (180, Fraction(4, 3))]
)
def test_the_shape_of_pixels_is_kept(tmp_path, rotation, expected):
    source = write_bars(tmp_path / "in.mp4", 64, 96, aspect=Fraction(4, 3), rotation=rotation)
    repaint(source, tmp_path / "out.mp4", same)
    with av.open(tmp_path / "out.mp4") as reader:
        assert reader.streams.video[0].sample_aspect_ratio == expected
