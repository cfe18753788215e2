"""Tests of `lix data extract`, on bags that the simulator wrote."""
