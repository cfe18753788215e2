"""Labels of a user's own set, whose files may be stored in several ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import DataError
from lix.core.types import IGNORE_INDEX
from lix.data.decode import Coded
from lix.data.labels import UNKNOWN, ColourLabels, Form, IdLabels, choose
from lix.data.readers import ARRAY_SUFFIXES, open_image, read_coded

MAX_FILES_ASKED = 64
"""Number of label files that are looked at to learn how a set stores its labels."""


class StoredLabels:
    """Reads label images of which some may be coloured by class and others hold its number.

    Colours decide wherever all of a file's are in the palette. A file with other colours is read
    by its numbers, if they are classes. Where several ways fit a grey file and differ, as for a
    mask that is all black, the other files decide, or else the colours.

    Args:
        values: reader of files of numbers.
        colours: reader of coloured files; None: there is no palette.
        others: files of the same set, some of which may be looked at.
    """

    def __init__(
        self,
        values: IdLabels,
        colours: ColourLabels | None,
        others: Callable[[], Sequence[Path]],
    ) -> None:
        self.values, self.colours, self._others = values, colours, others

    def read(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) train ids.

        Raises:
            DataError: as `IdLabels` and `ColourLabels`.
        """
        coded = read_coded(path)
        if coded is None:
            return self._other_reader(path).read(path)
        form = self._form(coded)
        if self.colours is not None:
            if form == "colour":
                return self.colours.table(coded).take(coded.codes)
            if form is None and not coded.is_grey():
                return self.colours.read(path)  # which says what is wrong
        return self.values.read_coded(path, coded, prefer=form)

    def form(self, path: Path) -> Form | None:
        """How a file is read; None where it holds what is not a class.

        Raises:
            DataError: the file cannot be read.
        """
        coded = read_coded(path)
        if coded is None:
            return "value" if self._other_reader(path) is self.values else "colour"
        return self._form(coded)

    def _other_reader(self, path: Path) -> IdLabels | ColourLabels:
        """Reader of a file that is not an image of 8 bits a pixel."""
        is_coloured = self.colours is not None and not _holds_numbers(path)
        return self.colours if is_coloured and self.colours else self.values

    def _form(self, coded: Coded) -> Form | None:
        fitting = self._fitting(coded)
        if len(fitting) < 2:
            return next(iter(fitting), None)
        if "colour" in fitting and not coded.is_grey():
            return "colour"
        results = {table[coded.used].tobytes() for table in fitting.values()}
        return choose(fitting, coded, self._usual if len(results) > 1 else None)

    def _fitting(self, coded: Coded) -> dict[Form, NDArray[np.uint8]]:
        tables = self.values.tables(coded)
        if self.colours is not None:
            tables = {"colour": self.colours.table(coded), **tables}
        elif len(tables) == 1:
            return tables
        return {
            form: table
            for form, table in tables.items()
            if not (table[coded.used] == UNKNOWN).any()
        }

    @cached_property
    def _usual(self) -> Form | None:
        """How most files are read of those that leave no choice."""
        votes: Counter[Form] = Counter()
        paths = self._others()
        for path in paths[:: max(1, len(paths) // MAX_FILES_ASKED)]:
            with suppress(DataError):
                coded = read_coded(path)
                if coded is None:
                    votes["value" if self._other_reader(path) is self.values else "colour"] += 1
                elif len(fitting := self._fitting(coded)) == 1 and self._tells(coded):
                    votes.update(fitting.keys())
        return votes.most_common(1)[0][0] if votes else None

    def _tells(self, coded: Coded) -> bool:
        """Whether a file tells something about files of few bits: void, where there is no palette.

        Masks of 0 and 1 may stand next to files of 8 bits; but where those have void, 255, so may
        a file of one bit.
        """
        return self.colours is not None or IGNORE_INDEX in coded.used


def _holds_numbers(path: Path) -> bool:
    """Whether a file that is not an image of 8 bits a pixel has one number a pixel, no colour."""
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return True
    with open_image(path, lossless=True) as file:
        return file.mode.startswith(("I", "F"))
