"""The values of questions about single titles: frozen, without behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TitleDetails:
    """What Plex tells of a single title beside what a list tells. Unknown facts are None."""

    summary: str | None = None
    genres: Sequence[str] = ()
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class TitleQuestion:
    """A title to ask Plex about, and whose encrypted token to ask with."""

    item_id: int
    uid: str
    user_id: int
    plex_token: str = field(repr=False)
