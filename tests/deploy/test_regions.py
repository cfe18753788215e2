"""Pictures in parts: tiles and strips give what one piece gives, in bounded memory."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from lix.deploy import images, regions
from lix.deploy.backend import open_student
from lix.deploy.maps import finish, score
from lix.deploy.predict import Predictions, predict
from lix.deploy.regions import spans, strips
from lix.deploy.student import Segmenter, Student
from tests.cli.test_cli import lix
from tests.deploy.test_video import read_video, write_video


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.parametrize("step", [1, 8, 32])
@pytest.mark.parametrize("tile", [1, 40, 64, 500])
@pytest.mark.parametrize("steps", [1, 5, 31])
def test_spans_cover_an_axis_once_with_margins(steps, tile, step):
    length = steps * step
    windows = spans(length, tile, step)
    assert [s.first for s in windows] == [0, *(s.last for s in windows[:-1])]
    assert windows[-1].last == length
    size = min(length, -(-tile // step) * step)
    for s in windows:
        assert s.end - s.start == size
        assert s.start % step == 0
        assert s.start <= s.first < s.last <= s.end
        margin = size // 8 // step * step
        assert s.start == 0 or s.first - s.start >= margin
        assert s.end == length or s.end - s.last >= margin


class Narrow:
    """Logits whose field is 7 x 7 and that depend on the place within a stride of 4."""

    def __init__(self, classes):
        torch.manual_seed(0)
        self.first = torch.randn(8, 3, 3, 3)
        self.second = torch.randn(classes, 8, 3, 3)
        self.largest = 0

    def __call__(self, batch):
        self.largest = max(self.largest, batch.shape[-2] * batch.shape[-1])
        maps = F.conv2d(batch, self.first, padding=1)[..., ::4, ::4].repeat_interleave(4, -1)
        return F.conv2d(maps.repeat_interleave(4, -2), self.second, padding=1)


@pytest.mark.parametrize("size", [(96, 128), (100, 121), (40, 400), (7, 9)])
def test_tiles_give_the_logits_of_one_piece(student, size):
    spec = open_student(student).spec
    narrow = Narrow(len(spec.classes))
    opened = Student("narrow", narrow, spec, 4, torch.device("cpu"))
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    whole = Segmenter(opened, size="native")(image)
    narrow.largest = 0
    tiled = Segmenter(opened, tile=(64, 64))(image)
    assert narrow.largest <= 64 * 64
    torch.testing.assert_close(tiled, whole, atol=1e-3, rtol=1e-3)
    assert torch.equal(tiled.argmax(0), whole.argmax(0))


@pytest.fixture
def large_is_5000_pixels(monkeypatch):
    monkeypatch.setattr("lix.deploy.student.MAX_PIXELS", 5000)
    monkeypatch.setattr("lix.deploy.student.OWN_TILE", (64, 64))


def test_a_large_picture_is_seen_in_tiles_by_itself(student, large_is_5000_pixels):
    spec = open_student(student).spec
    narrow = Narrow(len(spec.classes))
    segmenter = Segmenter(Student("narrow", narrow, spec, 4, torch.device("cpu")), size="native")
    image = np.random.default_rng(0).integers(0, 256, (100, 121, 3), dtype=np.uint8)
    shape = image.shape[:2]
    whole = Segmenter(segmenter.student, tile=(200, 200))(image)
    assert narrow.largest == 100 * 124
    narrow.largest = 0
    maps = finish(score(segmenter, segmenter.prepare(image), shape), shape)
    assert narrow.largest == 64 * 64
    assert np.array_equal(maps.labels, whole.argmax(0).numpy())
    assert torch.equal(segmenter(image).argmax(0), whole.argmax(0))
    assert narrow.largest == 64 * 64
    assert not segmenter.has_own_tiles((50, 100))
    assert not Segmenter(segmenter.student).has_own_tiles(shape)


def test_frames_of_a_large_video_are_seen_in_tiles(student, tmp_path, large_is_5000_pixels):
    source = write_video(tmp_path / "a.mp4", frames=3, height=80, width=96)
    done = predict(student, source, tmp_path / "out", size="native")
    assert done == Predictions([tmp_path / "out/a_overlay.mp4"], tiled=3)
    assert read_video(done.files[0])[0].shape == (3, 80, 96, 3)
    assert predict(student, source, tmp_path / "out").tiled == 0


@pytest.mark.parametrize("source", ["in", "in/large.png"])
def test_own_tiles_are_told(student, photo, tmp_path, capsys, large_is_5000_pixels, source):
    photo("in/large.png", 90, 130)
    photo("in/small.png", 50, 60)
    words = ("predict", student, tmp_path / source, "--output", tmp_path / "out")
    assert lix(*words, "--size", "native") == 0
    assert "segmented in tiles of 64x64, as too large for one piece: 1\n" in capsys.readouterr().out
    assert lix(*words, "--size", "64x64") == 0
    assert "in tiles" not in capsys.readouterr().out


def test_predictions_in_tiles_larger_than_the_picture_are_those_of_one_piece(
    student, photo, tmp_path
):
    source = photo("a.png", 50, 70)
    predict(student, source, tmp_path / "whole", size="native", confidence=True)
    predict(student, source, tmp_path / "tiles", tile=(200, 200), confidence=True)
    for name in ("label", "overlay", "confidence"):
        one, other = (pixels(tmp_path / folder / f"a_{name}.png") for folder in ("whole", "tiles"))
        assert np.array_equal(one, other)


def test_tiles_on_the_command_line(student, photo, tmp_path, capsys):
    photo("in/a.png", 90, 130)
    words = ("predict", student, tmp_path / "in", "--output", tmp_path / "out")
    assert lix(*words, "--tile", "32x48") == 0
    with Image.open(tmp_path / "out/a_label.png") as label:
        assert label.size == (130, 90)
    assert lix(*words, "--tile", "32x48", "--size", "64x64") == 1
    assert "leave --size out" in capsys.readouterr().err
    assert lix(*words, "--tile", "0x48") == 1


@pytest.mark.parametrize("shape", [(9, 11), (24, 40), (48, 80)])
def test_strips_give_what_interpolation_gives(shape, monkeypatch):
    logits = torch.randn(1, 5, 24, 40)
    expected = F.interpolate(logits, shape, mode="bilinear")[0]
    monkeypatch.setattr(regions, "MAX_VALUES", 5 * shape[1] * 4)
    parts = list(strips(logits, *shape))
    assert len(parts) == -(-shape[0] // 4)
    actual = torch.cat([part.logits for part in parts], dim=1)
    torch.testing.assert_close(actual, expected)
    monkeypatch.undo()
    (whole,) = strips(logits, *shape)
    assert torch.equal(whole.logits, expected)


MEMORY = """
import resource, sys
from pathlib import Path
import lix.deploy.student
from lix.deploy.predict import predict
student, tiny, large, output = map(Path, sys.argv[1:5])
options = {}
if sys.argv[5] == "tiles":
    lix.deploy.student.OWN_TILE = (512, 512)
    options = {"size": "native"}
predict(student, tiny, output, confidence=True, **options)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
predict(student, large, output, confidence=True, **options)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "size"), [("whole", (4000, 3000)), ("tiles", (2200, 1950))])
def test_a_large_picture_needs_little_more_than_its_pixels(student, tmp_path, how, size):
    """12 megapixels have 36 MB; their logits of five classes would have 240.

    Of 4.3 megapixels at their own size the network would need 2 GB.
    """
    Image.new("RGB", (300, 300)).save(tmp_path / "tiny.png")
    Image.new("RGB", size, (90, 120, 9)).save(tmp_path / "large.png")
    paths = [student, tmp_path / "tiny.png", tmp_path / "large.png", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, paths), how],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 420


OF_ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 96000 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(OF_ALLOCATOR)], ids=["own", "torch"])
@pytest.mark.parametrize("step", ["prepare", "score", "finish"])
def test_a_picture_without_memory_leaves_the_others_alone(
    student, photo, tmp_path, monkeypatch, capsys, error, step
):
    for name in "abc":
        photo(f"in/{name}.png", 48, 64 if name == "b" else 80)
    owner = {"prepare": Segmenter, "score": Segmenter, "finish": images}[step]
    work = getattr(owner, step)

    def hungry(*given):
        shape = given[-1].shape if step == "prepare" else given[2 if step == "score" else 1]
        if shape[1] == 64:
            raise error
        return work(*given)

    monkeypatch.setattr(owner, step, hungry)
    assert lix("predict", student, tmp_path / "in", "--output", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(
        r"1 of 3 images failed .* the others are done; .*b\.png does not fit into", said
    )
    assert "alloc_cpu" not in said
    assert len(list((tmp_path / "out").glob("?_*.png"))) == 4


@pytest.mark.parametrize("name", ["a\nb", "x" * 238, "\x1b[31m", "日" * 79])
def test_odd_names_are_segmented(student, photo, tmp_path, name):
    photo(f"in/{name}.png")
    done = predict(student, tmp_path / "in", tmp_path / "out")
    assert [path.is_file() for path in done.files] == [True, True]
    assert predict(student, tmp_path / "in", tmp_path / "out").skipped == 1


def test_a_name_too_long_for_results_is_its_own_error(student, photo, tmp_path):
    photo("in/a.png")
    photo(f"in/{'x' * 250}.png")
    with pytest.raises(ValueError, match=r"1 of 2 images failed .* has a name too long"):
        predict(student, tmp_path / "in", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("a_*.png"))) == 2
