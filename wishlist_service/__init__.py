"""Plex Wishlist Service: several Plex watchlists merged into one shared wishlist, served by a REST API."""

__version__ = "0.1.0"
