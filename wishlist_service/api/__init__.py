"""The REST API: one blueprint for each noun. A view reads the request, calls, and replies."""
