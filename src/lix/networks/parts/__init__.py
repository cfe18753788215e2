"""What several networks share, and what is done to any network."""
