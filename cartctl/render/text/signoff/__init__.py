"""Sign-offs as text."""
