"""Changes at Plex: watchlists, collections, and which titles are available."""
