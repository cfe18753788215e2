"""Many runs: the demo, one tidy table, figures and the report."""
