"""Adapters of the Destination port: what applies operations."""
