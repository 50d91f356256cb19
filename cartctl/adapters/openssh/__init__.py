"""OpenSSH: signatures by its keys."""
