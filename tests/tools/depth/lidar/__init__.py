"""Tests of the LiDAR engine."""
