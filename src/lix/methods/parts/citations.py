"""BibTeX entries of the methods' papers, kept in `references.bib`."""

from __future__ import annotations

from pathlib import Path

REFERENCES = Path(__file__).parents[1] / "references.bib"


def bibtex(key: str) -> str:
    """The entry with that key.

    Raises:
        KeyError: there is none.
    """
    for entry in REFERENCES.read_text(encoding="utf-8").split("\n\n"):
        if entry.partition("{")[2].startswith(f"{key},"):
            return entry.strip()
    raise KeyError(key)
