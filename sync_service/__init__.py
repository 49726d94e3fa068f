"""S3 Sync Service: keeps a file manager, or another bucket, in step with a customer's S3 bucket."""

__version__ = "0.1.0"
