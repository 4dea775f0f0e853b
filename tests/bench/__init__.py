"""Benchmarks: what the platform reaches on this machine, beside what bounds it in the same run."""
