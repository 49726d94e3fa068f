"""Tables, dialects and migrations, for the database manager only."""
