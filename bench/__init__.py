"""Measures the service against its goals, and against a plain implementation of the same job (make bench)."""
