"""The run folder, its recipe and its checkpoints."""
