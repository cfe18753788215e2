"""Kinds of pictures: what is read as RGB, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from lix.deploy.image_files import kinds_of, left_out
from lix.deploy.predict import predict
from tests.cli.test_cli import lix
from tests.deploy.test_predict import pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK"])
def test_pixel_formats_are_read_as_rgb(student, photo, tmp_path, mode):
    with Image.open(photo("a.png")) as image:
        stored = image.convert(mode)
    stored.save(tmp_path / "b.tif")
    predict(student, tmp_path / "b.tif", tmp_path / "out", opacity=0)
    assert (pixels(tmp_path / "out/b_overlay.png") == np.array(stored.convert("RGB"))).all()


@pytest.mark.parametrize(
    ("dtype", "suffix"), [("<u2", "png"), ("<u2", "tif"), (">u2", "tif"), ("<i4", "tif")]
)
def test_sixteen_bits_are_scaled_to_eight(student, tmp_path, dtype, suffix):
    grey = np.random.default_rng(0).integers(0, 256, (20, 30))
    source = tmp_path / f"b.{suffix}"
    Image.fromarray((grey * 257).astype(dtype)).save(source)
    predict(student, source, tmp_path / "out", opacity=0)
    assert (pixels(tmp_path / "out/b_overlay.png") == grey[..., None]).all()


def test_exif_orientation_is_honoured(student, photo, tmp_path):
    source = photo("a.png", 48, 64)
    with Image.open(source) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(source, exif=exif)
    predict(student, source, tmp_path / "out", opacity=0)
    upright = np.rot90(pixels(source), -1)
    assert (pixels(tmp_path / "out/a_overlay.png") == upright).all()
    assert pixels(tmp_path / "out/a_label.png").shape == (64, 48)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_file_that_is_no_image_is_one_sentence(student, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png is damaged or not an image .*; replace the file"):
        predict(student, tmp_path / "a.png", tmp_path / "out")


def test_floating_point_image_is_refused(student, tmp_path):
    Image.fromarray(np.ones((20, 20), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="floating point"):
        predict(student, tmp_path / "a.tif", tmp_path / "out")


def test_huge_image_is_refused(student, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="more than 200 pixels"):
        predict(student, photo("a.png"), tmp_path / "out")


KINDS = ("a.jpg", "B.JPG", "c.avif", "d.jp2", "e.gif", "f.ppm", "g.tif", "h.jfif", "i.pgm", "j.TGA")


def test_every_kind_of_image_is_taken_and_others_are_counted(student, tmp_path):
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8))
    (tmp_path / "in").mkdir()
    for name in KINDS:
        options = {"format": "JPEG"} if name.endswith("jfif") else {}
        (grey if name.endswith("pgm") else grey.convert("RGB")).save(
            tmp_path / "in" / name, **options
        )
    for name in ("k.heic", "l.txt", "._m.jpg"):
        (tmp_path / "in" / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    predict(student, tmp_path / "in", tmp_path / "in/out")
    done = sorted(path.name[0] for path in tmp_path.glob("in/out/*_label.png"))
    assert done == sorted(name[0] for name in KINDS)
    left = left_out(tmp_path / "in", tmp_path / "in/out")
    assert [path.name for path in left] == ["k.heic", "l.txt"]
    assert kinds_of(left) == ".heic, .txt"
    with pytest.raises(ValueError, match=r"k\.heic is an HEIC photograph.*convert it to JPEG"):
        predict(student, left[0], tmp_path / "out")


def test_links_are_followed_and_hidden_files_are_not_taken(student, photo, tmp_path, capsys):
    for name in ("in/a.png", "in/.b/c.png", "in/.d.png", "store/e.png", "store/deep/f.png"):
        photo(name)
    (tmp_path / "in/._a.png").write_bytes(b"what macOS leaves")
    (tmp_path / "in/folder").symlink_to(tmp_path / "store")
    (tmp_path / "in/g.png").symlink_to(tmp_path / "store/e.png")
    (tmp_path / "store/deep/cycle").symlink_to(tmp_path / "in")
    words = ("predict", student, tmp_path / "in", "--output", tmp_path / "out")
    assert lix(*words) == 0
    assert "8 files in" in capsys.readouterr().out
    done = {str(path.relative_to(tmp_path / "out")) for path in tmp_path.glob("out/**/*_label.png")}
    names = ("a", "folder/e", "folder/deep/f", "g")
    assert done == {f"{name}_label.png" for name in names}
    (tmp_path / "store/e.png").unlink()
    assert lix(*words) == 1
    assert "1 of 3 images failed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_several_pictures_in_a_file_are_not_one(student, tmp_path, name):
    pictures = [Image.new("RGB", (64, 48), (shade,) * 3) for shade in (0, 120, 255)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=100)
    with pytest.raises(ValueError, match="holds 3 pictures, not one; save the right one on its"):
        predict(student, tmp_path / name, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_smaller_copies_in_a_tiff_are_not_pictures(student, tmp_path):
    pages = [Image.new("RGB", size) for size in ((64, 48), (32, 24))]
    pages[1].encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert predict(student, tmp_path / "a.tif", tmp_path / "out").files
