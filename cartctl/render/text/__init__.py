"""Results as text, one module per subject."""
