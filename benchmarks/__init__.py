"""Benchmarks: each prints ratios against a named baseline measured in the same run. They are never timed tests."""
