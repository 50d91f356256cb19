"""A quote as a JSON document: read, checked field by field, and priced."""
