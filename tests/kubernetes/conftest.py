"""A namespace for every test of this folder."""

from tests.kubernetes.fixture import namespace, small

__all__ = ["namespace", "small"]
