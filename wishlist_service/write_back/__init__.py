"""What is changed at Plex: watchlists, collections, availability."""
