"""Says hello."""

GREETING = "hello"
