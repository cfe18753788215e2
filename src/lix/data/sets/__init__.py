"""The data sets: one file each, which `lix list datasets` lists."""
