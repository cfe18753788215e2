"""Parts that several networks share, and functions for any network."""
