"""The release dates of wanted titles as a calendar (RFC 5545)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event

from wishlist_service.feeds.formats import wanted_by
from wishlist_service.models import Feed


def calendar(titles: Iterable[Mapping[str, Any]]) -> Feed:
    """Return a calendar with an all-day event for each title whose day of release is known.

    Plex gives one day, and not which release it means. So the event does not say it either.
    """
    whole = Calendar()
    whole.add("version", "2.0")
    whole.add("prodid", "-//plex-wishlist//releases//EN")
    whole.add("method", "PUBLISH")
    whole.add("x-wr-calname", "Wishlist releases")
    whole.add("x-published-ttl", "PT6H")
    whole.add("refresh-interval", timedelta(hours=6), parameters={"VALUE": "DURATION"})
    # Each event becomes text at once, because an Event takes many times more memory.
    head, end = whole.to_ical().decode().split("END:VCALENDAR")
    moment = datetime.now(UTC)
    events = [_event(title, moment) if title["released_on"] else "" for title in titles]
    return Feed(f"{head}{''.join(events)}END:VCALENDAR{end}", skipped=events.count(""))


def _event(title: Mapping[str, Any], moment: datetime) -> str:
    day = date.fromisoformat(title["released_on"])
    event = Event()
    show = "show-" if title["media_type"] == "show" else ""  # a movie and a show may have one key
    event.add("uid", f"{show}{title['first_uid'].rpartition('/')[2]}-release@plex-wishlist")
    event.add("dtstamp", moment)
    event.add("dtstart", day)
    # The standard says the day after. With the same day or none, some calendars show nothing or fail.
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", f"{title['title']} (release)")
    event.add("description", wanted_by(title))
    if title["plex_url"]:
        event.add("url", title["plex_url"])
    event.add("transp", "TRANSPARENT")
    return event.to_ical().decode()
