"""The user's own images, described by one short YAML file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

from torch import Tensor

from lix.core.errors import DataError
from lix.data.condition_table import read_conditions
from lix.data.dataset import Fixes, SegDataset
from lix.data.decode import IMAGE_SUFFIXES
from lix.data.description import Description, Files, read_yaml
from lix.data.labels import ColourLabels, Form, IdLabels
from lix.data.options import XFolders
from lix.data.patterns import Partners, matches, name, walk
from lix.data.sample import camera_matrix
from lix.data.splits import Split, read_list
from lix.data.stored_labels import StoredLabels
from lix.data.x_files import PatternSource, XSource


class Folder(SegDataset):
    """RGB, labels and, for a teacher, X in any folders, described by a YAML file.

    ```yaml
    classes: [road, car, other]
    ignore: [255]
    x: {kind: depth, unit: mm}           # 0 = not measured
    train: {image: train/*.jpg, label: train/*_label.png, x: train/*_depth.png}
    val: {image: val/*.jpg, label: val/*_label.png, x: val/*_depth.png}
    ```

    Labels hold one class index a pixel, or the colours of `palette`; `docs/your-data.md` says
    more.

    Args:
        root: the YAML file, or a folder that holds it as `lix.yaml`. Where nothing is labelled a
            folder without it will do: its frames are all images in it.
        labelled: see `SegDataset`; without labels the YAML needs no `classes`, `label` and `val`,
            and the frames are the images that the split names.
        split: `train`, `val` or, where the YAML names it, `test`.
        lists: folder with `train.txt` and so on, in place of the lists that the YAML names.
        images: folder of the images, in place of the YAML's `root`.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of the YAML's, which is called
            `own` among them.

    Raises:
        FileNotFoundError: no YAML file there, or no folder of images.
        ValueError: the YAML is wrong, or images and labels do not pair up.
    """

    fixes = Fixes(
        root="correct `root` in the YAML",
        image="correct the list",
        label="",
        test="write `test: lists/test.txt`, or patterns of its own, into the YAML",
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        lists: Path | None = None,
        images: Path | None = None,
        x: XFolders = (),
    ) -> None:
        path = Path(root) / "lix.yaml" if Path(root).is_dir() else Path(root)
        self._is_plain = not labelled and Path(root).is_dir() and not path.is_file()
        self._x_folders = [folder.resolve() for folder in x if isinstance(folder, Path)]
        if self._is_plain:
            images, everything = Path(root), Files(image="**/*")
            self.description = Description(train=everything, val=everything)
        else:
            self.description = read_yaml(path, labelled=labelled)
        self.classes, self.not_scored = self.description.names, self.description.not_scored
        self.palette = tuple(self.description.palette) or _colours(len(self.classes))
        self._home = path.parent
        base = images or path.parent / self.description.root.expanduser()
        super().__init__(Path(base), labelled, split=split, lists=lists, x=x)

    @property
    def splits(self) -> tuple[Split, ...]:
        return tuple(self.description.splits)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "lix.yaml").is_file()

    def select(self, split: Split, lists: Path | None) -> list[str]:
        self._files = self.description.splits.get(split, self.description.train)
        if self._is_plain:
            self._images = self._all_images()
        else:
            self._images = matches(self.root, self._files.image)
            self._labels = Partners(self.root, self._files.label)
        if lists is not None:
            return self._listed(lists / f"{split}.txt", is_own=True)
        listed = self._files.list
        return self._listed(self._home / listed) if listed else sorted(self.frames(split))

    def _all_images(self) -> dict[str, Path]:
        """The images below the root by their relative path, but not those in folders of X."""
        return {
            str(path.relative_to(self.root).with_suffix("")): path
            for path in walk(self.root, without=self._x_folders)
            if path.suffix.lower() in IMAGE_SUFFIXES
        }

    def frames(self, split: Split | None) -> Collection[str]:
        return self._images

    def image_path(self, frame: str) -> Path:
        return self._images[frame]

    def label_path(self, frame: str) -> Path:
        return self._labels.path(frame)

    def require_labels(self) -> None:
        self._labels.require(self.ids)

    def own_x(self) -> tuple[XSource, ...]:
        patterns = zip(self.description.x, self._files.x, strict=False)
        return tuple(
            PatternSource(files, Partners(self.root, pattern)) for files, pattern in patterns
        )

    def fingerprint(self) -> object:
        return self.description.model_dump(
            mode="json", exclude={"x", "intrinsics", "test", "not_scored", "conditions"}
        )

    def intrinsics(self, frame: str) -> Tensor | None:
        camera = self.description.intrinsics
        return None if camera is None else camera_matrix(*camera)

    def conditions(self, frame: str) -> Mapping[str, str]:
        return self._conditions.get(frame, {})

    @cached_property
    def _conditions(self) -> Mapping[str, Mapping[str, str]]:
        table = self.description.conditions
        return {} if table is None else read_conditions(self._home / table, self._find)

    def label_form(self, frame: str) -> Form | None:
        has_palette = bool(self.description.palette)
        return self.labels.form(self.label_path(frame)) if has_palette else None

    @cached_property
    def labels(self) -> StoredLabels:  # type: ignore[override]
        """Reader by the colours of the YAML's palette, if it has one, and by values."""
        return StoredLabels(
            self._id_labels,
            self._colour_labels if self.description.palette else None,
            self._label_paths,
        )

    def _label_paths(self) -> list[Path]:
        return [self.label_path(frame) for frame in self.ids]

    @cached_property
    def _colour_labels(self) -> ColourLabels:
        colours = self.description.colour_ids
        return ColourLabels(colours, "add it to `palette` or `ignore` in the YAML")

    @cached_property
    def _id_labels(self) -> IdLabels:
        return IdLabels(
            self.description.train_ids,
            "name the class, list the value under `ignore`, or give the `palette` of coloured "
            "labels in the YAML",
        )

    def _listed(self, path: Path, *, is_own: bool = False) -> list[str]:
        """Ids of the frames of a list, whose lines are names or images.

        Args:
            path: the list.
            is_own: whether an option names it, and not the YAML, which may name any file.
        """
        if not path.is_file():
            raise DataError(f"{path} is missing; write it with `lix data split`.", path)
        try:
            return read_list(path, self._images, self._find)
        except DataError as error:
            if error.kind != "list" or not error.values:
                raise
            is_shown = is_own or self._is_inside(path)
            line = repr(error.values[0]) if is_shown else "a line"
            raise DataError(
                f"{path} lists {line}, but {self.root / self._files.image} has no such frame; "
                "write names as `lix data split` does.",
                path,
                kind="list",
                values=error.values,
            ) from None

    def _find(self, text: str) -> str | None:
        if text in self._images:
            return text
        frame = name(self._files.image, Path(text))
        return frame if frame in self._images else self.find_frame(text)

    def _is_inside(self, path: Path) -> bool:
        """Whether a list is in the folder of the YAML file or of the images."""
        homes = (self._home.resolve(), self.root.resolve())
        return any(path.resolve().is_relative_to(home) for home in homes)


def _colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours that people can tell apart."""
    from lix.data.palette import distinct_colours

    return distinct_colours(count)
