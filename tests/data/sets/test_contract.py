"""What every data set does; a new one in `lix.data.sets` needs a `CASE` and nothing here."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from lix.core.registry import entries, option_names
from lix.data import build_dataset
from lix.data.cache import Cache
from lix.data.modalities import KINDS
from lix.data.patterns import regular
from lix.data.transforms import resize
from lix.tools.recognise import recognise
from tests.data.frames import plain, read
from tests.data.sets.conftest import Made
from tests.data.sets.contract import mirror, one_sentence, own_x, spy, write_list

# pycocotools implements NumPy 1's `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_frames_are_counted_and_named_once(made: Made) -> None:
    train, val = made.open(), made.open(split="val")
    assert (len(train), len(val)) == (made.case.train, made.case.val)
    for data in (train, val):
        assert len(set(data.ids)) == len(data) == len({*map(data.image_path, data.ids)})
        assert all(data.instant(frame) for frame in data.ids)
    assert len(train.palette) == len(train.classes) > 1


def test_what_macos_leaves_is_no_frame(made: Made) -> None:
    before = made.open()
    ids = before.ids, made.open(split="val").ids
    for path in [path for path in made.root.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert (made.open().ids, made.open(split="val").ids) == ids
    assert sorted(made.open(labelled=False).ids) == sorted(set(made.open(labelled=False).ids))
    assert len(made.open(labelled=False)) == made.case.images


def test_linked_folders_hold_the_same_frames(made: Made, tmp_path: Path) -> None:
    """The outermost folders of the set lie elsewhere."""
    ids, store = made.open().ids, tmp_path / "store"
    for place, folder in enumerate(path for path in made.root.iterdir() if path.is_dir()):
        moved = store / str(place)
        moved.parent.mkdir(exist_ok=True)
        folder.rename(moved)
        folder.symlink_to(moved)
    assert made.open().ids == ids
    assert read(made.open(), 0).image.shape[0] == 3


def test_a_frame_has_all_its_parts(made: Made) -> None:
    data = made.open()
    for frame in data.ids:
        sample = data.read(frame, with_x=bool(data.x_sources))
        assert sample.id == frame
        assert (sample.image.dtype, sample.image.shape[0]) == (torch.uint8, 3)
        assert sample.target.dtype == torch.int64
        assert sample.target.shape == sample.image.shape[1:]
        assert {*sample.target.unique().tolist()} <= {*range(len(data.classes)), 255}
        assert len(sample.target.unique()) > 1
        assert [(type(x), len(x)) for x in sample.x] == [(KINDS[k], c) for k, c in data.x]
        assert all(x.dtype == torch.float32 for x in sample.x)
        if sample.intrinsics is not None:
            height, width = sample.image.shape[1:]
            half = resize(sample, (height, width // 2))
            assert half.intrinsics is not None
            assert half.intrinsics[0, 0].item() == pytest.approx(
                sample.intrinsics[0, 0].item() * (width // 2) / width
            )


def test_it_travels_to_other_processes(made: Made) -> None:
    data = made.open()
    packed = pickle.dumps(data)
    assert len(packed) < 100_000
    before = read(data, 0, with_x=bool(data.x_sources))
    for copy in (pickle.loads(packed), pickle.loads(pickle.dumps(data))):
        after = read(copy, 0, with_x=bool(data.x_sources))
        assert torch.equal(after.image, before.image)
        assert torch.equal(after.target, before.target)
        assert len(after.x) == len(before.x)


def test_conditions_have_the_same_names_for_all_frames(made: Made) -> None:
    data = made.open()
    names = {tuple(data.conditions(frame)) for frame in data.ids}
    assert len(names) == 1
    assert all(value for frame in data.ids for value in data.conditions(frame).values())


def test_frames_can_be_left_out(made: Made) -> None:
    data = made.open()
    last = data.ids[-1]
    before = data.read(last, with_x=False)
    data.ids = [last]
    assert len(data) == 1
    assert torch.equal(data.read(last, with_x=bool(data.x_sources)).target, before.target)


def test_a_student_opens_no_x(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's promise."""
    x = ["own"] if made.open().x_sources else [mirror(made.open(), tmp_path / "x")]
    data = made.open(x=x)
    with monkeypatch.context() as patch:
        opened = spy(patch)
        data = made.open(x=x)
        without = [data.read(frame, with_x=False) for frame in data.ids]
        assert {*map(data.image_path, data.ids)} <= {*opened}
        assert {*own_x(data)}.isdisjoint(opened)
        data.read(data.ids[0], with_x=True)
        assert not {*own_x(data)}.isdisjoint(opened)  # the spy does see X
    for path in own_x(data):
        path.unlink()
    data = made.open(x=x)
    for before in without:
        assert before.x == ()
        assert torch.equal(data.read(before.id, with_x=False).target, before.target)


def test_x_comes_from_folders_and_from_the_set(made: Made, tmp_path: Path) -> None:
    own = made.open().x
    folder = mirror(made.open(), tmp_path / "x", 2.0)
    single = read(made.open(x=folder), 0, with_x=True)
    assert [x.unique().tolist() for x in single.x] == [[2.0]]
    if own:
        both = made.open(x=[folder, "own"])
        assert both.x == (("disparity", 1), *own)
        assert torch.equal(plain(read(both, 0, with_x=True).x[0]), plain(single.x[0]))
    else:
        with pytest.raises(ValueError, match="no X, and a teacher needs it; make depth with"):
            read(made.open(), 0, with_x=True)
        with pytest.raises(ValueError, match="no X of its own; leave `own` out"):
            made.open(x=[folder, "own"])


def test_a_third_split_is_opened_where_there_is_one(made: Made, tmp_path: Path) -> None:
    train = made.open()
    if "test" in train.splits:
        assert set(made.open(split="test").ids).isdisjoint(train.ids)
    else:
        with one_sentence("has no test split; write `test"):
            made.open(split="test")
    if "lists" in option_names(made.loader):
        lists = write_list(tmp_path / "lists", train.ids[:1], "test")
        assert made.open(split="test", lists=lists).ids == train.ids[:1]
        (lists / "test.txt").unlink()
        with one_sentence("has no test split; write `test"):
            made.open(split="test", lists=lists)


def test_lists_choose_frames_and_their_order(made: Made, tmp_path: Path) -> None:
    if "lists" not in option_names(made.loader):
        pytest.skip("names its lists elsewhere")
    names = [made.open(split="val").ids[0], *made.open().ids[::-1][:1]]
    lists = write_list(tmp_path / "lists", names)
    data = made.open(lists=lists)
    assert data.ids == names
    assert [data.read(name, with_x=False).id for name in data.ids] == names
    write_list(lists, ["nothing"])
    with one_sentence("nothing"):
        made.open(lists=lists)
    write_list(lists, [])
    with one_sentence():
        made.open(lists=lists)
    with one_sentence(r"val\.txt is missing"):
        made.open(lists=lists, split="val")


def test_its_layout_is_recognised_by_itself_alone(made: Made, tmp_path: Path) -> None:
    assert recognise(made.root) == made.name
    for name, entry in entries("datasets").items():
        assert entry.load().recognises(made.root) == (name == made.name)
        assert not entry.load().recognises(tmp_path / "nowhere")


def test_images_for_depth_are_found(made: Made) -> None:
    left, right = made.loader.left_files, made.loader.right_files
    if left is None:
        pytest.skip("names its images elsewhere")
    images = {path.relative_to(made.root).as_posix() for path in made.root.glob(left)}
    data = made.open()
    assert images & {data.image_path(f).relative_to(made.root).as_posix() for f in data.ids}
    if right is not None:
        others = {path.relative_to(made.root).as_posix() for path in made.root.glob(right)}
        stands_for = [
            {regular(pattern).fullmatch(name).groups() for name in names}  # type: ignore[union-attr]
            for pattern, names in ((left, images), (right, others))
        ]
        assert stands_for[0] & stands_for[1]


def test_images_without_labels_are_frames(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = made.open()
    paths = {labelled.label_path(frame) for frame in labelled.ids}
    x = mirror(labelled, tmp_path / "x")
    for path in paths:
        path.unlink()
    with monkeypatch.context() as patch:
        opened = spy(patch)
        data = made.open(labelled=False, x=x)
        assert len(data) == made.case.images
        assert set(labelled.ids) <= {*data.ids}
        data.ids = labelled.ids
        samples = [data.read(frame, with_x=True) for frame in data.ids]
        assert paths.isdisjoint(opened)
    cache = Cache(data, tmp_path / "cache", (16, 32))
    for sample in samples:
        assert sample.target.dtype == torch.int64
        assert sample.target.shape == sample.image.shape[1:]
        assert (sample.target == 255).all()
        for _ in range(2):
            small = cache.read(sample.id, with_x=True)
            assert torch.equal(small.image, resize(sample, (16, 32)).image)
            assert torch.equal(small.target, torch.full((16, 32), 255))
            assert len(small.x) == 1


def test_labels_are_no_option_of_a_recipe(made: Made) -> None:
    assert "labelled" not in option_names(made.loader)
    with pytest.raises(ValueError, match=r"Unknown option of .*'labelled'"):
        build_dataset(made.name, made.root, **made.case.options, labelled=False)
