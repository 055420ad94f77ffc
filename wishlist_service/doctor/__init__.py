"""Tells whether everything is in order, and if not, what to do."""
