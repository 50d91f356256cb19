"""Carts in PostgreSQL: tables, repositories, conversion and jobs."""
