"""Adapters of the Observer port: logs, progress, metrics."""
