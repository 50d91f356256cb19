"""Steps that change something: one module per kind."""
