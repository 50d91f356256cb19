"""The served shop, for every module of this folder that asks for it."""

from tests.sandbox.shop_fixture import directory, url

__all__ = ["directory", "url"]
