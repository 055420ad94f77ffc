"""Messages about what is new."""
