"""`python -m lix` is the `lix` command."""

from lix.cli.app import main

main()
