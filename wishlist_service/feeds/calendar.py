"""When wanted titles come out, as a calendar to subscribe to (RFC 5545)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event

from wishlist_service.feeds.formats import wanted_by
from wishlist_service.models import Feed


def calendar(titles: Iterable[Mapping[str, Any]]) -> Feed:
    """An all-day event for each title whose day of release is known.

    Plex tells one day and not of which release, so the event does not either.
    """
    whole = Calendar()
    whole.add("version", "2.0")
    whole.add("prodid", "-//plex-wishlist//releases//EN")
    whole.add("method", "PUBLISH")
    whole.add("x-wr-calname", "Wishlist releases")
    whole.add("x-published-ttl", "PT6H")
    whole.add("refresh-interval", timedelta(hours=6), parameters={"VALUE": "DURATION"})
    # an Event is many times larger than its text: made into it one by one
    head, end = whole.to_ical().decode().split("END:VCALENDAR")
    moment = datetime.now(UTC)
    events: list[str] = []
    skipped = 0
    for title in titles:
        if title["released_on"] is None:
            skipped += 1
        else:
            events.append(_event(title, moment))
    return Feed(f"{head}{''.join(events)}END:VCALENDAR{end}", skipped)


def _event(title: Mapping[str, Any], moment: datetime) -> str:
    day = date.fromisoformat(title["released_on"])
    event = Event()
    event.add("uid", f"{title['uid'].rpartition('/')[2]}-release@plex-wishlist")
    event.add("dtstamp", moment)
    event.add("dtstart", day)
    # the day after, as the standard has it: without it, or with the same day, some calendars show nothing or fail
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", f"{title['title']} (release)")
    event.add("description", wanted_by(title))
    if title["plex_url"]:
        event.add("url", title["plex_url"])
    event.add("transp", "TRANSPARENT")
    return event.to_ical().decode()
