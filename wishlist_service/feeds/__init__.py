"""The wishlist in the words of other programs."""
