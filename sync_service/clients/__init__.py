"""One vendor each: S3 and the file-manager API, with vendor errors translated at the edge."""
