"""Adapters: each wraps one external library, program or service behind cartctl's own types and errors."""
