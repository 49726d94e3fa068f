"""The status web server: health, readiness, status, metrics and a page for people. Imported only by the daemon."""
