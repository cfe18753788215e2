"""Types, errors, files and the registry that all other packages use; imports nothing of them."""
