"""Queries on documents: JSONPath in JSON, CSS selectors in HTML, and JSON Schemas."""
