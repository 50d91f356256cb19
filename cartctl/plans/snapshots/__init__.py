"""Snapshots as runs: taking one and restoring one."""
