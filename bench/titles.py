"""Titles that look like titles: common words, rare names, accents. The same number gives the same title."""

import hashlib
import random
from functools import cache


def _words(text: str) -> list[str]:
    return text.split()


SYLLABLES = _words("""ka lo mi ra ven dor sel tha nor bri cas tel mar quin zo fel gar hin jas wyn pol ter um bel
cor dan el fri gol hur is jen kri lam mon nis or pir ros sti""")
# A library has thousands of different words: some are made of two syllables, as names are of three.
_MADE = [f"{first}{second}".capitalize() for first in SYLLABLES for second in SYLLABLES]
random.Random(1).shuffle(_MADE)

# the most frequent first
ADJECTIVES = _words("""Silent Golden Last Lost Dark Blue Secret Perfect Broken Hidden Wild Little Great Long Second
Forgotten Frozen Burning Midnight Distant Bitter Gentle Crimson Hollow Paper Velvet Été Naïve Señor Élégant
Strange Empty Scarlet Restless Quiet Electric Savage Lonely Ordinary Invisible""")
NOUNS = _words("""Night House River Star City Road Summer Winter Garden Shadow Matrix Island Heart Mountain Mirror
Station Letter Daughter Brother Stranger Hunter Detective Planet Signal Harbor Castle Desert Voyage Engine
Forest Kingdom Orchard Symphony Promise Labyrinth Frontier Paradise Cathedral Tempest Republic Archive
Orphan Falcon Serpent Phoenix Lighthouse Carnival Inheritance Café Fiancé Château Niño Über Straße""")
ADJECTIVES += _MADE[::2]
NOUNS += _MADE[1::2]


@cache
def title(number: int) -> str:
    """The title with this number."""
    digits = _digits(number)
    adjective = ADJECTIVES[digits[0] ** 2 * len(ADJECTIVES) // 256**2]
    noun = NOUNS[digits[1] ** 2 * len(NOUNS) // 256**2]
    name = "".join(SYLLABLES[digit % len(SYLLABLES)] for digit in digits[3:6]).capitalize()
    shapes = (
        f"The {adjective} {noun}",
        f"The {noun} of {name}",
        f"{adjective} {noun}",
        name,
        f"{name}: {adjective} {noun}",
        f"{name}'s {noun} {digits[7] % 8 + 2}",
    )
    return shapes[digits[6] % len(shapes)]


def year(number: int) -> int | None:
    """The year of the title, 1930 to 2026; 3 in 100 have none."""
    digits = _digits(number)
    return None if digits[8] % 33 == 0 else 1930 + (digits[9] * 256 + digits[11]) % 97


def media_type(number: int) -> str:
    """Movie or show, in Plex's words."""
    return "show" if _digits(number)[10] % 3 == 0 else "movie"


def rating_key(number: int) -> str:
    """The 24 hex digits that identify the title."""
    return hashlib.sha256(f"title {number}".encode()).hexdigest()[:24]


@cache
def _digits(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()
