"""`python -m lix` is the `lix` command; trainings of a study run this file."""

import os
import sys

# Python puts the current folder, or the one of this file, before the libraries, and a file there
# could pass for one of them.
home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if not getattr(sys.flags, "safe_path", False) and os.path.abspath(sys.path[0]) != home:  # noqa: PTH100
    del sys.path[0]

from lix.cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
