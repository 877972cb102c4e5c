"""The configuration: one TOML file to frozen settings, every fault at once, with its place."""
