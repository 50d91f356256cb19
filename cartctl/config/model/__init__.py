"""The model of `cartctl.toml`, section by section."""
