"""What `cartctl.toml` may say, section by section."""
