"""Questions about titles, as tests have a scheduler ask them."""

import threading

from conftest import Household

from wishlist_service.details import Details
from wishlist_service.plex_titles import PlexTitles


def look(household: Household, *, stop: threading.Event | None = None, times: int = 1) -> None:
    """One scheduler's looks, one after the other."""
    stop = stop or threading.Event()
    titles = PlexTitles(household.config, client_identifier="test-client", stop=stop)
    details = Details(household.config, titles, household.cipher, stop=stop)
    for _ in range(times):
        details.look()
