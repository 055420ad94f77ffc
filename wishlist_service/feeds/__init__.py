"""The wishlist in the formats of other programs."""
