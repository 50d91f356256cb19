"""Deploys, monitors and rolls back an e-commerce cart feature."""

__version__ = "0.1.0"
