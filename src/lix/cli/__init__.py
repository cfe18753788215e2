"""The `lix` command: flags become calls, nothing else."""
