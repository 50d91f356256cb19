"""A cart's states, merging, sessions and recovery. Pure."""
