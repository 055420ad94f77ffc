"""The invented titles of the demo: what the simulated Plex tells about each, and how its poster is drawn."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from zlib import crc32

from tests.demo.drawing import PALETTES, WIDTH
from tests.demo.posters import MOTIFS, draw
from tests.support.fake_plex import Row, row

POSTERS = "/demo/posters/"
"""Where the demo's web application has them."""

SMALL = 200
"""The width of the small ones; the others have WIDTH."""


@dataclass(frozen=True, kw_only=True)
class Title:
    """One invented movie or show, as titles.toml describes it."""

    name: str
    type: str
    by: str
    genres: list[str]
    summary: str
    look: str
    year: int | None = None
    rating: str | None = None
    ids: bool = True

    @property
    def slug(self) -> str:
        """Its name as part of an address."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        return re.sub("[^a-z0-9]+", "-", plain).strip("-")

    def poster(self, *, small: bool) -> str:
        """The poster as SVG."""
        motif, palette, *setting = self.look.split()
        low, plain = "low" in setting, "plain" in setting
        width = SMALL if small else WIDTH
        colours = PALETTES[palette]
        return draw(self.name, self.by, motif=MOTIFS[motif], palette=colours, width=width, low=low, plain=plain)

    def row(self, poster_url: str) -> Row:
        """The title as a list at Plex shows it."""
        number = 9_000_000 + crc32(self.slug.encode()) % 900_000  # no title in the world has it
        catalogues = ("imdb://tt9", "tmdb://", "tvdb://") if self.type == "show" else ("imdb://tt9", "tmdb://")
        random = Random(self.slug)
        day = f"{random.randint(1, 12):02}-{random.randint(1, 28):02}"
        return row(
            f"{crc32(self.slug.encode()):x}",
            self.name,
            media_type=self.type,
            year=self.year,
            originallyAvailableAt=f"{self.year}-{day}" if self.year else None,
            thumb=poster_url,
            publicPagesURL=None,
            contentRating=self.rating,
            duration=random.randint(24, 58) * 60_000 if self.type == "show" else random.randint(82, 164) * 60_000,
            audienceRating=random.randint(55, 92) / 10,
            childCount=random.randint(1, 5) if self.type == "show" else None,
            Guid=[{"id": f"{catalogue}{number}"} for catalogue in catalogues] if self.ids else [],
        )


@cache
def titles() -> dict[str, Title]:
    """All of them by name."""
    told = tomllib.loads(Path(__file__).with_name("titles.toml").read_text(encoding="utf-8"))
    return {name: Title(name=name, **facts) for name, facts in told.items()}
