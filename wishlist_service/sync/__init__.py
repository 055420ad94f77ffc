"""One sync: claim, read, decide, store."""
