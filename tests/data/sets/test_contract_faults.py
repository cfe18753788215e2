"""What every data set says of what is missing, damaged or wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lix.core.errors import DataError
from lix.data import build_dataset
from lix.data.labels import UNKNOWN, UnknownLabelError
from tests.data.frames import read
from tests.data.sets.conftest import Made
from tests.data.sets.contract import mirror, one_sentence, own_x, save

# pycocotools implements NumPy 1's `__array__`.

# pycocotools implements NumPy 1's `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_a_missing_root_says_the_fix(made: Made, tmp_path: Path) -> None:
    with one_sentence(r"nowhere.* is missing"):
        build_dataset(made.name, tmp_path / "nowhere", **made.case.options)


def test_missing_images_say_the_fix(made: Made) -> None:
    data, val = made.open(), made.open(split="val")
    lost, *others = [data.image_path(frame) for frame in data.ids]
    lost.unlink()
    ids, message = [], ""
    try:
        ids = made.open().ids  # where the images on disk are the frames
    except ValueError as error:
        message = str(error)  # where lists are
    assert data.ids[0] not in ids
    assert ids or f"1 of {len(data)} image files are missing, first {lost};" in message
    for path in {*others, *map(val.image_path, val.ids)}:
        path.unlink(missing_ok=True)
    with one_sentence():
        made.open()


def test_missing_labels_say_the_fix(made: Made) -> None:
    data = made.open()
    data.label_path(data.ids[0]).unlink()
    with one_sentence():
        read(made.open())


@pytest.mark.parametrize("part", ["image", "label", "x"])
def test_a_damaged_file_is_named(made: Made, part: str, tmp_path: Path) -> None:
    data = made.open(x=mirror(made.open(), tmp_path / "x"))
    paths = {"image": data.image_path, "label": data.label_path, "x": data.x_sources[0].path}
    path = paths[part](data.ids[0])
    path.write_bytes(path.read_bytes()[:20])
    with one_sentence(rf"{path.name} cannot be read \("):
        read(data, 0, with_x=True)


@pytest.mark.parametrize("part", ["image", "X"])
def test_parts_of_another_size_are_named(made: Made, part: str, tmp_path: Path) -> None:
    data = made.open(x=mirror(made.open(), tmp_path / "x"))
    image = data.image_path(data.ids[0])
    path = image if part == "image" else data.x_sources[0].path(data.ids[0])
    with Image.open(path) as file:
        array = np.array(file)
    save(path, array[:-1])
    what = "label" if part == "image" else "X"
    with one_sentence(rf"{image.name}: the {what} is \d+x\d+ but the image is"):
        read(data, 0, with_x=True)


def test_x_that_lost_its_16_bits_is_refused(made: Made) -> None:
    data = made.open()
    files = [getattr(source, "files", None) for source in data.x_sources]
    if not any(f and f.dtype == "uint16" for f in files):
        pytest.skip("brings no X of 16 bits")
    path = own_x(data)[0]
    with Image.open(path) as file:
        array = np.array(file)
    for dtype in (np.uint8, bool):
        save(path, array.astype(dtype))
        assert read(data, 0, with_x=False).x == ()
        with one_sentence(rf"{path.name} holds {np.dtype(dtype)}, not uint16"):
            read(data, 0, with_x=True)


def test_labels_that_are_not_classes_carry_kind_and_values(made: Made) -> None:
    data = made.open()
    path = data.label_path(data.ids[0])
    if path.suffix == ".json":
        pytest.skip("keeps its labels in tables")
    with Image.open(path) as file:
        array = np.full_like(file, 77)
    save(path, array)
    with pytest.raises(DataError, match=rf"{path.name} has .*; .*\.$") as caught:
        data.read_target(data.ids[0])
    if isinstance(caught.value, UnknownLabelError):
        target = caught.value.target
        assert target is not None
        assert target.shape == array.shape[:2]
        assert sum(caught.value.counts.values()) == (target == UNKNOWN).sum() == target.size
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.path == path
    assert (error.kind, error.values) in [
        ("label values", (77,)),
        ("label values", ((77, 77, 77),)),
        ("label range", ()),
    ]


def test_an_unknown_split_names_the_choices(made: Made) -> None:
    with pytest.raises(ValueError, match=r"Unknown split 'dev'\. Choose from train, val, test\.$"):
        made.loader(made.root, split="dev", **made.case.options)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"Wrong option of .*'dev'"):
        made.open(split="dev")


def test_missing_x_stops_the_first_reading_of_x(made: Made, tmp_path: Path) -> None:
    x = ["own"] if made.open().x_sources else [mirror(made.open(), tmp_path / "x")]
    own_x(made.open(x=x))[0].unlink()
    data = made.open(x=x)
    with one_sentence(rf"^1 of {len(data)} "):
        read(data, 1, with_x=True)
