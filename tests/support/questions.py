"""Questions about titles, as tests have a scheduler ask them."""

import threading

from tests.support.household import Household
from wishlist_service.plex.titles import PlexTitles
from wishlist_service.sync.details import Details


def look(household: Household, *, stop: threading.Event | None = None, times: int = 1) -> None:
    """One scheduler's looks, one after the other."""
    stop = stop or threading.Event()
    titles = PlexTitles(household.config, client_identifier="test-client", stop=stop)
    details = Details(household.config, titles, household.cipher, stop=stop)
    for _ in range(times):
        details.look()
