"""Depth of a camera from the point clouds of a LiDAR: files, projection, completion, poses."""
