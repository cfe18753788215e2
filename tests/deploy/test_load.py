"""Many pictures: work overlaps, little is in memory, nothing is done twice."""

import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lix.deploy import images
from lix.deploy.predict import predict
from lix.deploy.prefetch import prefetch
from tests.cli.test_cli import lix
from tests.deploy.conftest import write_checkpoint


@pytest.mark.parametrize("workers", [1, 3])
def test_prefetch_is_map(workers):
    assert list(prefetch(lambda n: n * n, range(50), workers=workers)) == [n * n for n in range(50)]
    assert list(prefetch(str, [], workers=workers)) == []


def test_prefetch_runs_in_threads_and_never_far_ahead():
    drawn, threads = [], set()

    def work(n):
        threads.add(threading.get_ident())
        return n

    def items():
        for n in range(100):
            drawn.append(n)
            yield n

    for n in prefetch(work, items(), workers=2):
        assert len(drawn) - n <= 4
    assert threading.get_ident() not in threads


def test_prefetch_raises_an_error_where_its_result_would_be():
    results = prefetch(lambda n: 6 // (3 - n), range(10))
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_closing_prefetch_drops_the_rest():
    begun, go = [], threading.Event()

    def work(n):
        begun.append(n)
        assert n == 0 or go.wait(5)

    before = threading.active_count()
    with closing(prefetch(work, range(100))) as results:
        next(results)
        go.set()
    assert len(begun) <= 3
    assert threading.active_count() == before


def test_interrupt_ends_all_threads_and_leaves_nothing_half(student, photo, tmp_path):
    for i in range(9):
        photo(f"in/{i}.png")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        predict(student, tmp_path / "in", tmp_path / "out", progress=stop)
    assert threading.active_count() == before
    written = list((tmp_path / "out").glob("*_*.png"))
    assert 4 <= len(written) < 18
    assert not [path for path in written if path.name.startswith(".")]
    assert predict(student, tmp_path / "in", tmp_path / "out").skipped >= 2


def test_interrupted_command_says_how_to_go_on(student, photo, tmp_path, monkeypatch, capsys):
    photo("in/a.png")

    def stop(self, task):
        raise KeyboardInterrupt

    monkeypatch.setattr(images.ImageSegmenter, "read", stop)
    assert lix("predict", student, tmp_path / "in", "--output", tmp_path / "out") == 130
    assert "lix: Interrupted; " in capsys.readouterr().err


def test_few_pictures_are_in_memory(student, photo, tmp_path, monkeypatch):
    """Between reading and writing are at most those of both sides' threads and queues."""
    for i in range(30):
        photo(f"in/{i:02}.png")
    held, most, lock = [0], [0], threading.Lock()
    read, write = images.ImageSegmenter.read, images.ImageSegmenter.write

    def counted_read(self, task):
        with lock:
            held[0] += 1
            most[0] = max(most[0], held[0])
        return read(self, task)

    def counted_write(self, loaded):
        try:
            return write(self, loaded)
        finally:
            with lock:
                held[0] -= 1

    monkeypatch.setattr(images.ImageSegmenter, "read", counted_read)
    monkeypatch.setattr(images.ImageSegmenter, "write", counted_write)
    predict(student, tmp_path / "in", tmp_path / "out")
    assert held == [0]
    assert most[0] <= 4 * images.WORKERS + 5


@pytest.fixture
def predicted(student, photo, tmp_path):
    """Two images, predicted, and a function that predicts again and says which were not skipped."""
    photo("in/a.png")
    photo("in/bb.png")
    output = tmp_path / "out"
    predict(student, tmp_path / "in", output)

    def again(checkpoint=student, **options):
        before = {path: path.stat().st_mtime_ns for path in output.iterdir()}
        done = predict(checkpoint, tmp_path / "in", output, **options)
        new = {p.name.split("_")[0] for p in done.files if before.get(p) != p.stat().st_mtime_ns}
        assert len(new) == 2 - done.skipped
        return new

    return again


def test_results_that_are_there_are_skipped(predicted, tmp_path):
    assert predicted() == set()
    assert predicted(opacity=0.5, size=(48, 80)) == set()
    assert predicted(engine="torch", threads=2) == set()


@pytest.mark.parametrize(
    "options",
    [{"opacity": 0.4}, {"size": "native"}, {"size": (48, 64)}, {"confidence": True}],
    ids=str,
)
def test_other_options_are_never_skipped(predicted, options):
    assert predicted(**options) == {"a", "bb"}
    assert predicted(**options) == set()


def test_another_checkpoint_or_engine_is_never_skipped(predicted, exported, tmp_path):
    other = write_checkpoint(tmp_path / "best.ckpt", palette=((1, 2, 3),) * 5)
    assert predicted(other) == {"a", "bb"}
    assert predicted(exported) == {"a", "bb"}
    assert predicted() == {"a", "bb"}
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(exported.read_bytes())
    assert predicted(exported) == {"a", "bb"}
    assert predicted(copy) == set()


def test_a_changed_image_or_result_is_done_again(predicted, photo, tmp_path):
    Image.new("RGB", (20, 30)).save(tmp_path / "in/a.png")
    assert predicted() == {"a"}
    (tmp_path / "out/bb_overlay.png").unlink()
    assert predicted() == {"bb"}
    Image.new("RGB", (20, 30)).save(tmp_path / "out/a_label.png")
    (tmp_path / "out/bb_label.png").write_text("damaged")
    assert predicted() == {"a", "bb"}
    assert predicted() == set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["label", "overlay"])
def test_a_result_that_was_cut_or_altered_is_done_again(predicted, tmp_path, kind):
    path = tmp_path / f"out/a_{kind}.png"
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 12)):
        for content in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :],
        ):
            path.write_bytes(content)
            assert predicted() == {"a"}
            assert path.read_bytes() == whole
    with Image.open(path) as image:
        image.load()
        changed = image.copy()
        changed.putpixel((3, 3), 3 if image.mode == "P" else (1, 2, 3))
        text = PngInfo()
        text.add_text("lix", image.text["lix"])
    changed.save(path, pnginfo=text)
    assert predicted() == {"a"}
    assert predicted() == set()


def test_a_confidence_that_was_cut_or_altered_is_done_again(predicted, tmp_path):
    predicted(confidence=True)
    path = tmp_path / "out/a_confidence.png"
    whole = path.read_bytes()
    middle = len(whole) // 2
    altered = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
    for content in (whole[:middle], whole[:-1], altered, b""):
        path.write_bytes(content)
        assert predicted(confidence=True) == {"a"}
        assert path.read_bytes() == whole


def test_confidence_left_over_does_no_harm(predicted):
    predicted(confidence=True)
    assert predicted() == set()


def test_skipped_images_count_as_progress(predicted):
    calls = []
    predicted(progress=lambda *done: calls.append(done))
    assert calls == [(1, 2), (2, 2)]


def test_image_that_cannot_be_read_is_one_sentence(student, photo, tmp_path):
    photo("in/a.png")
    (tmp_path / "in/b.png").symlink_to(photo("in/c.png"))
    source = tmp_path / "in/b.png"
    tasks = images.find_tasks(tmp_path / "in", tmp_path / "out")
    source.unlink()
    with pytest.raises(ValueError, match=r"b\.png cannot be read .*; change its permissions"):
        images.read_bytes(next(task.source for task in tasks if task.source == source))


def test_memory_full_fails_one_picture(student, photo, tmp_path, monkeypatch):
    for name in ("in/a.png", "in/bb.png", "in/ccc.png"):
        photo(name)
    score = images.ImageSegmenter.score

    def full(self, loaded):
        if loaded.task.source.stem == "bb":
            raise ValueError("bb does not fit into the memory.")
        return score(self, loaded)

    monkeypatch.setattr(images.ImageSegmenter, "score", full)
    with pytest.raises(ValueError, match=r"1 of 3 images failed \(.*bb\.png\), .* bb does not fit"):
        predict(student, tmp_path / "in", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*_*.png"))) == 4


def test_full_disk_stops_it(student, photo, tmp_path, monkeypatch):
    for i in range(9):
        photo(f"in/{i}.png")

    def full(self, path, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        predict(student, tmp_path / "in", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_results_do_not_depend_on_the_number_of_threads(student, photo, tmp_path, monkeypatch):
    for i in range(7):
        photo(f"in/{'x' * i}a.png")
    first = predict(student, tmp_path / "in", tmp_path / "one").files
    monkeypatch.setattr(images, "WORKERS", 4)
    second = predict(student, tmp_path / "in", tmp_path / "four", threads=2).files
    torch.set_num_threads(1)
    assert [p.name for p in first] == [p.name for p in second]
    for one, four in zip(first, second, strict=True):
        assert np.array_equal(np.array(Image.open(one)), np.array(Image.open(four)))
