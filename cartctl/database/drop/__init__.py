"""Dropping the cart's tables: the plan, the saved rows and restoring them."""
