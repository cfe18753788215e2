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


def parse_seconds(name: str, text: str) -> float:
    """`0.5s` or `0.5` → 0.5.

    Raises:
        ValueError: another form.
    """
    try:
        return float(text.strip().removesuffix("s"))
    except ValueError:
        raise ValueError(f"{name} is a time in seconds, as in 0.5s; got {text!r}.") from None
