"""The journal of events: stores, line format, replicas."""
