"""Which keys are easy to guess. No random one is, nor four random words."""

import re
from typing import Final

_POPULAR_WORD: Final = "p[a@4][s$5]{2}w[o0]rd"
_PLACEHOLDER: Final = (
    "placeholder|(?<![a-z])(?:(?:change|replace|edit|set)[ _-]*(?:me|this|it|please)(?![a-z])"
    "|(?:your|my)[ _-]*(?:own[ _-]*)?(?:api|read|secret|random|key))"
)


def why_guessable(key: str) -> str:
    """Return why a key is easy to guess; "" if it is not. What follows "it "."""
    key = key.lower()
    if len(set(key)) < 6:
        return "has fewer than 6 different characters"
    # Two thirds: what is left of a random key does not repeat its beginning.
    if any(key[length:] == key[:-length] for length in range(1, len(key) * 2 // 3 + 1)):
        return "repeats a short piece"
    if re.search(_POPULAR_WORD, key):
        # One of four random words may be this one.
        others = re.findall("[a-z]+", re.sub(_POPULAR_WORD, " ", key))
        if len(others) < 3 or min(map(len, others)) < 3:
            return "is the word password with something around it"
    return "is a placeholder" if re.search(_PLACEHOLDER, key) else ""
