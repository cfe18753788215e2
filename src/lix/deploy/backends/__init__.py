"""The engines that compute a student: one file each."""
