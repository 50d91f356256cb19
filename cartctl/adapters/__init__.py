"""One foreign library, program or service each, behind cartctl's own types and errors."""
