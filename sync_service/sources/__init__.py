"""Adapters of the Source port: what can be listed and opened."""
