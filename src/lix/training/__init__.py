"""Training of teachers, students and distilled students with Lightning."""
