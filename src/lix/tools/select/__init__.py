"""The frames of an unlabelled drive that are worth having: `lix data select`."""

from lix.tools.select.run import Report, select

__all__ = ["Report", "select"]
