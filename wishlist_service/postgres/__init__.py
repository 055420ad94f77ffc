"""A private PostgreSQL, and the programs of PostgreSQL."""
