"""`python -m lix` is the `lix` command."""

from lix.cli import main

main()
