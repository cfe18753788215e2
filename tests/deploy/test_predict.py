import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision import tv_tensors

from lix.data.palette import distinct_colours
from lix.data.readers import read_rgb
from lix.data.sample import Sample
from lix.data.transforms import resize, to_batch
from lix.deploy.backend import open_student
from lix.deploy.backends.torch import torch_student
from lix.deploy.legend import draw_legend
from lix.deploy.predict import Predictions, predict
from lix.deploy.student import Segmenter, load_student
from lix.runs.checkpoint import load_network


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


def scores(student, image):
    """Logits of an (H, W, 3) image whose size suits the network."""
    network, _ = load_network(student)
    with torch.inference_mode():
        batch = torch.tensor(image).permute(2, 0, 1)[None] / 255.0
        return network(batch).logits


def names(paths):
    return sorted(path.name for path in paths)


def test_label_values_are_the_train_ids_the_network_gives(student, photo, tmp_path):
    source = photo("a.png", 48, 64)
    predict(student, source, tmp_path / "out", size="native")
    labels = pixels(tmp_path / "out/a_label.png")
    assert (labels == scores(student, pixels(source)).argmax(1)[0].numpy()).all()
    assert len(np.unique(labels)) > 2


def test_label_file_is_an_8_bit_palette_image_in_the_class_colours(student, photo, tmp_path):
    predict(student, photo("a.png"), tmp_path / "out")
    path = tmp_path / "out/a_label.png"
    bit_depth = path.read_bytes()[24]
    with Image.open(path) as label:
        colours = np.array(load_network(student)[1].palette)
        assert (label.mode, bit_depth) == ("P", 8)
        assert (np.array(label.convert("RGB")) == colours[np.array(label)]).all()


def test_train_size_is_what_training_sees_and_logits_are_resized_back(student, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 150, 3), dtype=np.uint8)
    source = tmp_path / "a.png"
    Image.fromarray(noise).save(source)
    predict(student, source, tmp_path / "out")
    target = tv_tensors.Mask(torch.zeros(100, 150, dtype=torch.int64))
    batch = to_batch(resize(Sample(read_rgb(source), target, "a"), (48, 80)))
    logits = load_network(student)[0](batch["image"][None]).logits
    expected = F.interpolate(logits, (100, 150), mode="bilinear").argmax(1)[0].numpy()
    assert (pixels(tmp_path / "out/a_label.png") == expected).all()


def test_native_size_pads_with_the_edge_and_cuts_back(student, photo, tmp_path):
    source = photo("a.png", 37, 51)
    predict(student, source, tmp_path / "out", size="native")
    padded = np.pad(pixels(source), ((0, 11), (0, 13), (0, 0)), mode="edge")
    expected = scores(student, padded).argmax(1)[0, :37, :51].numpy()
    assert (pixels(tmp_path / "out/a_label.png") == expected).all()


def test_any_size_is_taken(student, photo, tmp_path):
    written = predict(student, photo("a.png", 100, 150), tmp_path / "out", size=(40, 60)).files
    assert {pixels(path).shape[:2] for path in written} == {(100, 150)}


def test_confidence_is_the_softmax_probability_of_the_label(student, photo, tmp_path):
    source = photo("a.png", 48, 64)
    predict(student, source, tmp_path / "out", size="native", confidence=True)
    expected = 255 * scores(student, pixels(source)).softmax(1).amax(1)[0].numpy()
    confidence = pixels(tmp_path / "out/a_confidence.png")
    assert confidence.dtype == np.uint8
    assert abs(confidence - expected).max() <= 0.501


def test_confidence_is_written_only_on_demand(student, photo, tmp_path):
    written = predict(student, photo("a.png"), tmp_path / "out", legend=False).files
    assert names(written) == names((tmp_path / "out").iterdir()) == ["a_label.png", "a_overlay.png"]


def test_legend_and_classes_say_what_values_and_colours_mean(student, photo, tmp_path):
    photo("in/a.png")
    (tmp_path / "in/b.png").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="1 of 2 images failed"):
        predict(student, tmp_path / "in", tmp_path / "out")
    spec = load_network(student)[1]
    stored = json.loads((tmp_path / "out/classes.json").read_text(encoding="utf-8"))
    expected = zip(spec.classes, map(list, spec.palette), strict=True)
    assert [(c["name"], c["colour"]) for c in stored] == list(expected)
    assert [c["value"] for c in stored] == list(range(len(spec.classes)))
    drawn = {tuple(colour) for colour in pixels(tmp_path / "out/legend.png").reshape(-1, 3)}
    assert set(spec.palette) <= drawn


@pytest.mark.slow
def test_legend_of_many_classes_with_long_and_foreign_names_is_drawn_whole():
    classes = [*("Straße", "дорога", "two\nlines"), *(f"class {i} " + "x" * i for i in range(60))]
    palette = distinct_colours(len(classes))
    image = draw_legend(classes, palette)
    drawn = np.array(image)
    assert set(palette) <= set(map(tuple, drawn.reshape(-1, 3).tolist()))
    assert (np.concatenate([drawn[:, -5:].reshape(-1), drawn[-5:].reshape(-1)]) == 255).all()


@pytest.mark.parametrize("opacity", [0.0, 0.5, 1.0])
def test_overlay_blends_image_and_class_colours(student, photo, tmp_path, opacity):
    source = photo("a.png")
    predict(student, source, tmp_path / "out", opacity=opacity)
    colours = np.array(load_network(student)[1].palette)[pixels(tmp_path / "out/a_label.png")]
    expected = (1 - opacity) * pixels(source) + opacity * colours
    assert abs(pixels(tmp_path / "out/a_overlay.png") - expected).max() <= 1


def test_folder_is_searched_with_its_sub_folders_whatever_the_case(student, photo, tmp_path):
    for name in ("in/a.JPG", "in/b/a.png", "in/b/c/d.e.TIFF", "in/b/.hidden.png"):
        photo(name)
    (tmp_path / "in/notes.txt").write_text("no image")
    written = predict(student, tmp_path / "in", tmp_path / "out").files
    labels = [str(path.relative_to(tmp_path / "out")) for path in written if "label" in path.name]
    assert labels == ["a_label.png", "b/a_label.png", "b/c/d.e_label.png"]
    explained = [tmp_path / "out/classes.json", tmp_path / "out/legend.png"]
    stored = [path for path in tmp_path.glob("out/**/*") if path.is_file()]
    assert sorted([*written, *explained]) == sorted(stored)


def test_second_run_leaves_results_inside_the_source_alone(student, photo, tmp_path):
    photo("in/a.png")
    first = predict(student, tmp_path / "in", tmp_path / "in/out").files
    before = [path.read_bytes() for path in first]
    assert predict(student, tmp_path / "in", tmp_path / "in/out") == Predictions(first, 1)
    assert [path.read_bytes() for path in first] == before


def test_damaged_image_is_reported_after_the_others_are_done(student, photo, tmp_path):
    photo("in/a.png")
    photo("in/b.jpg").write_bytes(photo("in/b.jpg").read_bytes()[:200])
    photo("in/c.png").write_text("no image")
    photo("in/d.png")
    with pytest.raises(ValueError, match=r"2 of 4 images failed \(.*b\.jpg, .*c\.png\)"):
        predict(student, tmp_path / "in", tmp_path / "out")
    assert names(tmp_path.glob("out/*_label.png")) == ["a_label.png", "d_label.png"]


def test_progress_counts_images(student, photo, tmp_path):
    photo("in/a.png")
    photo("in/b.png").write_text("no image")
    calls = []
    with pytest.raises(ValueError, match=r"b\.png"):
        predict(
            student, tmp_path / "in", tmp_path / "out", progress=lambda *done: calls.append(done)
        )
    assert calls == [(1, 2), (2, 2)]


def test_teacher_is_refused(teacher, photo, tmp_path):
    with pytest.raises(ValueError, match=r"is a teacher: .* depth; name a student"):
        predict(teacher, photo("a.png"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_source_is_one_sentence(student, tmp_path):
    with pytest.raises(FileNotFoundError, match="none is missing; name an image"):
        predict(student, tmp_path / "none", tmp_path / "out")


def test_folder_without_images_is_one_sentence(student, tmp_path):
    with pytest.raises(ValueError, match="holds no image"):
        predict(student, tmp_path, tmp_path / "out")


def test_results_of_the_same_name_are_refused(student, photo, tmp_path):
    photo("in/a.png")
    photo("in/a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png would give results of the same"):
        predict(student, tmp_path / "in", tmp_path / "out")


def test_output_must_not_be_the_source(student, photo, tmp_path):
    photo("in/a.png")
    with pytest.raises(ValueError, match="choose another output folder"):
        predict(student, tmp_path / "in", tmp_path / "in")


def test_output_that_cannot_be_written_is_one_sentence(student, photo, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"a_overlay\.png cannot be written .*; choose another"):
        predict(student, photo("a.png"), tmp_path / "file")


@pytest.mark.parametrize("opacity", [-0.1, 1.5, float("nan")])
def test_opacity_out_of_range_is_refused(student, photo, tmp_path, opacity):
    with pytest.raises(ValueError, match="opacity"):
        predict(student, photo("a.png"), tmp_path / "out", opacity=opacity)


def test_interrupted_write_keeps_the_old_result(student, photo, tmp_path, monkeypatch):
    source = photo("a.png")
    predict(student, source, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def half(self, path, **_):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(KeyboardInterrupt):
        predict(student, source, tmp_path / "out", opacity=0)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("size", [(0, 20), (20, -1)])
def test_size_below_one_is_refused(student, size):
    with pytest.raises(ValueError, match="at least 1"):
        Segmenter(open_student(student), size=size)


@pytest.mark.parametrize("image", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3), np.float32)])
def test_segmenter_takes_rgb_bytes_alone(student, image):
    with pytest.raises(ValueError, match=r"must be \(H, W, 3\) uint8 RGB"):
        Segmenter(open_student(student))(image)


def test_segmenter_takes_views_of_other_arrays(student):
    bgr = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    segment = Segmenter(open_student(student), size="native")
    assert torch.equal(segment(bgr[..., ::-1]), segment(bgr[..., ::-1].copy()))


def test_too_large_a_picture_is_one_sentence(student, monkeypatch):
    network, spec = load_student(student)
    segment = Segmenter(torch_student(network, spec))

    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(network, "_forward", full)
    with pytest.raises(ValueError, match="20x30 does not fit into the memory of"):
        segment(np.zeros((20, 30, 3), np.uint8))
