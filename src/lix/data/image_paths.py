"""Frames by the paths of their images, as the lists of other tools name them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path


class ImagePaths:
    """The images of a data set.

    Args:
        root: the data set's folder.
        images: image below it → frame.
    """

    def __init__(self, root: Path, images: Mapping[Path, str]) -> None:
        self.root, self.images = root, images

    def frame(self, text: str) -> str | None:
        """The frame whose image a path names; None where there is none.

        Args:
            text: path relative to the root, with or without its suffix; or absolute, on this
                machine or, by the end of the path, on another one.
        """
        path = Path(text.replace("\\", "/"))
        if path.is_absolute() and path.is_file():
            return self._resolved.get(path.resolve())
        parts = [part for part in path.parts if part != path.anchor]
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self._relative[end] for end in ends if end in self._relative), None)

    @cached_property
    def _resolved(self) -> dict[Path, str]:
        """Image on this machine → frame."""
        return {image.resolve(): frame for image, frame in self.images.items()}

    @cached_property
    def _relative(self) -> dict[str, str]:
        """Path of an image below the root, with and without its suffix → frame."""
        paths = {image.relative_to(self.root): frame for image, frame in self.images.items()}
        without = {path.with_suffix("").as_posix(): frame for path, frame in paths.items()}
        return without | {path.as_posix(): frame for path, frame in paths.items()}
