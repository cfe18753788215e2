import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from lix.deploy import video
from lix.deploy.label_video import label_video
from lix.deploy.predict import predict
from lix.deploy.predictor import Predictor
from lix.deploy.video import repaint
from lix.runs.checkpoint import load_network

RED, BLUE = (255, 0, 0), (0, 0, 255)


def write_video(path, frames=7, height=48, width=64, codec="libx264", rate=10, rotation=None):
    """Upper half red, lower half blue."""
    picture = np.full((height, width, 3), BLUE, np.uint8)
    picture[: height // 2] = RED
    with av.open(path, "w") as writer:
        stream = writer.add_stream(codec, rate=rate)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv444p" if height % 2 else "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for _ in range(frames):
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        writer.mux(stream.encode())
    return path


def each(paint):
    def generator(frames):
        for frame in frames:
            yield paint(frame)

    return generator


same = each(lambda frame: frame)


def read_video(path):
    with av.open(path) as reader:
        stream = reader.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in reader.decode(stream)]
        return np.stack(frames), stream.average_rate, stream.codec_context.name


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp4", "libx264", 10),
        ("a.AVI", "mpeg4", 25),
        ("a.mkv", "libx264", Fraction(30000, 1001)),
        ("a.webm", "libvpx", 30),
    ],
)
def test_overlay_has_the_frames_size_and_rate_of_the_source(student, tmp_path, name, codec, rate):
    source = write_video(tmp_path / name, codec=codec, rate=rate)
    calls = []
    written = predict(student, source, tmp_path / "out", progress=lambda *done: calls.append(done))
    frames, found_rate, found_codec = read_video(tmp_path / "out/a_overlay.mp4")
    assert written.files == [tmp_path / "out/a_overlay.mp4"]
    stored = {path.name for path in (tmp_path / "out").iterdir()}
    assert stored == {"a_overlay.mp4", "classes.json", "legend.png"}
    assert frames.shape == (7, 48, 64, 3)
    assert float(found_rate) == pytest.approx(float(rate), rel=1e-3)
    assert found_codec == "h264"
    assert [done for done, _ in calls] == list(range(1, 8))


@pytest.mark.parametrize("height", [48, 33])
def test_labels_of_a_video_are_those_of_its_frames(student, tmp_path, height):
    source = write_video(tmp_path / "a.mkv", height=height, width=64, rate=25)
    written = predict(student, source, tmp_path / "out", labels=True)
    target = tmp_path / "out/a_label.mkv"
    assert written.files == [tmp_path / "out/a_overlay.mp4", target]
    predictor = Predictor(student)
    seen = []
    repaint(source, tmp_path / "b.mp4", each(lambda frame: seen.append(frame) or frame))
    expected = [predictor.predict(frame).labels for frame in seen]
    with av.open(target) as reader:
        stream = reader.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("ffv1", 25)
        frames = [*reader.decode(stream)]
    assert np.array_equal([frame.to_ndarray(format="gray") for frame in frames], expected)
    for channel in frames[0].to_ndarray(format="bgr24").transpose(2, 0, 1):  # as OpenCV reads
        assert np.array_equal(channel, expected[0])


def test_a_finished_video_that_was_cut_or_altered_is_made_anew(student, tmp_path):
    source = write_video(tmp_path / "a.mp4", frames=3)
    files = predict(student, source, tmp_path / "out", labels=True).files
    whole = [read_video(path)[0] for path in files]
    for damage in (lambda content: content[: len(content) // 2], lambda content: b"0" + content):
        for path in files:
            path.write_bytes(damage(path.read_bytes()))
        assert predict(student, source, tmp_path / "out", labels=True).files == files
        for path, frames in zip(files, whole, strict=True):
            assert np.array_equal(read_video(path)[0], frames)


def test_every_label_comes_back_as_it_was(tmp_path):
    labels = np.arange(255, dtype=np.uint8).reshape(15, 17)
    with label_video(tmp_path / "a.mkv", Fraction(10)) as write:
        for shift in range(3):
            write(np.roll(labels, shift))
    frames = read_video(tmp_path / "a.mkv")[0]
    for shift in range(3):
        assert np.array_equal(frames[shift], np.stack([np.roll(labels, shift)] * 3, -1))


def test_full_opacity_shows_the_class_colours_alone(student, tmp_path):
    predict(student, write_video(tmp_path / "a.mp4"), tmp_path / "out", opacity=1)
    frames, _, _ = read_video(tmp_path / "out/a_overlay.mp4")
    colours = np.array(load_network(student)[1].palette)
    distance = abs(frames[0, :, :, None].astype(int) - colours).max(axis=-1).min(axis=-1)
    assert np.median(distance) < 10


def test_odd_sizes_repeat_the_last_row_and_column(tmp_path):
    source = write_video(tmp_path / "a.mkv", height=33, width=41)
    frames = []
    repaint(source, tmp_path / "b.mp4", each(lambda frame: frames.append(frame.shape) or frame))
    assert set(frames) == {(33, 41, 3)}
    assert read_video(tmp_path / "b.mp4")[0].shape == (7, 34, 42, 3)


@pytest.mark.parametrize(
    ("rotation", "red"), [(90, np.s_[:, :24]), (-90, np.s_[:, 24:]), (180, np.s_[24:])]
)
def test_rotated_videos_are_turned_upright(tmp_path, rotation, red):
    source = write_video(tmp_path / "a.mp4", rotation=rotation, height=48, width=48)
    repaint(source, tmp_path / "b.mp4", same)
    frame = read_video(tmp_path / "b.mp4")[0][3]
    assert np.median(frame[red].reshape(-1, 3), axis=0) == pytest.approx(RED, abs=20)


def test_mpeg4_steps_in_where_h264_is_missing(tmp_path, monkeypatch):
    source = write_video(tmp_path / "a.mp4", rate=Fraction(30000, 1001))
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    repaint(source, tmp_path / "b.mp4", same)
    frames, _, codec = read_video(tmp_path / "b.mp4")
    assert codec == "mpeg4"
    assert frames[3, 5, 5] == pytest.approx(RED, abs=20)


def test_missing_pyav_is_one_sentence(student, tmp_path, monkeypatch):
    source = write_video(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[video\]"'):
        predict(student, source, tmp_path / "out")


def test_confidence_of_a_video_is_refused(student, tmp_path):
    source = write_video(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="only images get a confidence"):
        predict(student, source, tmp_path / "out", confidence=True)


def test_damaged_video_is_one_sentence_and_leaves_nothing(student, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"a\.mp4 is damaged or not a video .*; replace the file"):
        predict(student, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_of_a_video_that_ends_in_damage_leave_nothing(student, tmp_path, monkeypatch):
    source = write_video(tmp_path / "a.mp4")
    for good in (0, 3):

        def decoded(reader, source, good=good):
            yield from (np.zeros((48, 64, 3), np.uint8) for _ in range(good))
            raise ValueError(f"{source} is damaged")

        monkeypatch.setattr(video, "_decoded", decoded)
        with pytest.raises(ValueError, match="is damaged"):
            predict(student, source, tmp_path / "out", labels=True)
        assert not [*tmp_path.glob("out/*")]


def test_failure_half_way_leaves_nothing(tmp_path):
    source = write_video(tmp_path / "a.mp4")
    frames = [1, 2, 3]

    def paint(frame):
        frames.pop()
        return frame

    with pytest.raises(IndexError):
        repaint(source, tmp_path / "out/b.mp4", each(paint))
    assert not list((tmp_path / "out").iterdir())


def test_output_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    source = write_video(tmp_path / "a.mp4")
    with pytest.raises(OSError, match=r"b\.mp4 cannot be written .*; choose another"):
        repaint(source, tmp_path / "file/b.mp4", same)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(tmp_path / "a.mp4", "w") as writer:
        stream = writer.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        writer.mux(stream.encode(sound))
        writer.mux(stream.encode())
    with pytest.raises(ValueError, match="has no pictures"):
        repaint(tmp_path / "a.mp4", tmp_path / "b.mp4", same)
