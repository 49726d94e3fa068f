"""The words of the field as frozen data: settings, objects, events, operations, errors."""
