"""Parsers of arguments that several commands have."""

from __future__ import annotations


def parse_size(text: str) -> tuple[int, int]:
    """`96x320` → (96, 320).

    Raises:
        ValueError: another form.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise ValueError(f"A size is written HEIGHTxWIDTH, as in 96x320; got {text!r}.")
    return int(height), int(width)
