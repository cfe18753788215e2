"""The user's text (labels, names, titles) in Markdown, LaTeX, CSV and file names.

HTML is escaped by Jinja, commas of CSV by pandas, the terminal's text by `lix.core.console`,
figures' by `lix.evaluation.figures`.
"""

from __future__ import annotations

import re

from lix.core.console import printable

LATEX = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "→": r"$\to$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # after the end of a row it would begin an argument
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{char: rf"\{char}" for char in "%_&#${}"},
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
    "Ω": r"$\Omega$",
    "ω": r"$\omega$",
}

FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""Characters that begin a formula, for some programs in their wide form too."""


def markdown(text: str) -> str:
    r"""Text as a cell or a heading of Markdown.

    >>> print(markdown("a|b <i>"))
    a\|b &lt;i>
    """
    text = re.sub(r"([\\|*`\[])", r"\\\1", _one_line(text))
    return re.sub("<(?=[a-zA-Z/!])", "&lt;", text)


def latex(text: str) -> str:
    r"""Text as LaTeX sets it.

    >>> print(latex("50 % of a_b & β"))
    50 \% of a\_b \& $\beta$
    """
    return "".join(LATEX.get(char, char) for char in _one_line(text))


def no_formula(cell: object) -> object:
    """A cell of CSV that spreadsheets show: with an apostrophe before text that they would run.

    >>> no_formula("=1+1"), no_formula("a=1"), no_formula(-0.5)
    ("'=1+1", 'a=1', -0.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def file_name(text: str) -> str:
    """Text as a part of a file's name.

    >>> file_name("../my data")
    '.._my data'
    """
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", text)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
