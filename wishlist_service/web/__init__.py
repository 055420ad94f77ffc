"""What api/, pages/ and feeds/ share: input, errors, keys and sessions, replies, actions."""
