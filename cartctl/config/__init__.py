"""What `cartctl.toml` may say (`model`), its kinds of value (`values`), and where each value came from (`load`)."""
