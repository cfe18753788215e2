"""Formats on disk that would make the files of their data sets long."""
