"""Everything that speaks Plex's language; nothing else does."""
