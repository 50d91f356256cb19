"""Requests to the API server: access, deadlines, watches, guarded writes."""
