"""`lix data extract`: pairs of image and depth from ROS 1 and ROS 2 bags.

`bag` reads messages, `messages` decodes them, `frames` knows how sensors stand, `pairing` finds
what belongs together; `run` is the command, `listing` its `--list`.
"""
