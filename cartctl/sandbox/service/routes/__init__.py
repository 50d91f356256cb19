"""The reference service's routes and their access."""
