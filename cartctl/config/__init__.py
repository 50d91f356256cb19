"""The configuration: the model of `cartctl.toml` (`model`), its value types (`values`), and loading with origins (`load`)."""
