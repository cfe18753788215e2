"""Tools that inspect or make data: `lix data check`, `depth`, `extract` and `split`."""
