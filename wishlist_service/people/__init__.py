"""People, their tokens and their sign-ins."""
