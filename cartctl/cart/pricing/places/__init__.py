"""Countries, states and postal codes in their canonical forms."""
