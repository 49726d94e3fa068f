"""Tools around the service: test data, local servers, set-up. Run each as `python -m scripts.NAME`."""
