"""A file manager and event log with a memory, a disk and faults on demand, for tests and the demo."""
