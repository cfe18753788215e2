"""Data sets, what a sample is, and what happens to it before a network sees it."""

from lix.catalog import build_dataset as build_dataset
