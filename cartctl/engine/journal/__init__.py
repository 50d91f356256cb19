"""The journal of events: its stores, its lines, its copies."""
