"""A private PostgreSQL, and PostgreSQL's programs."""
