"""What every other room builds on; imports nothing else of lix."""
