"""Hand-written SQL: one function, one statement, the connection first. Nothing here commits."""
