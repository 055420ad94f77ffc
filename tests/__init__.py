"""The tests, and the demo that is made of their simulated Plex."""
