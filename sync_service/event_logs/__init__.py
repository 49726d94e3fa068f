"""Adapters of the EventLog port, and the decoders of every dialect of events."""
