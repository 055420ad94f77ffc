"""The calendar of releases, as calendar programs and homepage read it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.titles import entry
from wishlist_service.feeds.calendar import calendar


def release(**facts: Any) -> dict[str, Any]:
    """A title as the API shows it, with a day of release."""
    return entry(released_on="2026-12-11") | facts


def only_event(titles: list[dict[str, Any]]) -> Any:
    """The event of the only title, read again."""
    [event] = Calendar.from_ical(calendar(titles).body).events
    return event


def test_each_title_with_a_day_of_release_is_an_event(client: FlaskClient, household: Household) -> None:
    long = "A very long title, with commas; semicolons, back\\slashes and ümläüts, that goes on beyond one line"
    household.add("Ann", [row("1", long, originallyAvailableAt="2026-12-11"), row("2", "Unknown day", year=None)])
    household.sync()

    reply = client.get("/feeds/calendar.ics")

    assert reply.content_type == "text/calendar; charset=utf-8"
    assert reply.headers["X-Wishlist-Skipped"] == "1"
    lines = reply.data.split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 75
    whole = Calendar.from_ical(reply.data)
    assert (whole["VERSION"], whole["METHOD"], whole["X-WR-CALNAME"]) == ("2.0", "PUBLISH", "Wishlist releases")
    assert whole["PRODID"]
    [event] = whole.events
    assert str(event["SUMMARY"]) == f"{long} (release)"
    assert str(event["UID"]) == f"{1:024x}-release@plex-wishlist"
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2026, 12, 11), date(2026, 12, 12))
    assert event["DTSTAMP"].dt.tzinfo is not None
    assert abs(event["DTSTAMP"].dt - datetime.now(UTC)) < timedelta(hours=1)
    assert str(event["DESCRIPTION"]) == "Wanted by Ann"
    assert str(event["TRANSP"]) == "TRANSPARENT"


def test_calendar_without_releases_is_a_calendar(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("2", "Unknown day", year=None)])
    household.sync()

    reply = client.get("/feeds/calendar.ics")

    assert Calendar.from_ical(reply.data).events == []
    assert reply.headers["X-Wishlist-Skipped"] == "1"


@pytest.mark.parametrize("day", ["2024-02-28", "2023-12-31", "1870-01-01", "2100-12-31"])
def test_event_ends_on_the_day_after(day: str) -> None:
    event = only_event([release(released_on=day)])

    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(days=1)
    assert event["DTSTART"].to_ical() == day.replace("-", "").encode()
    assert event["DTSTART"].params["VALUE"] == event["DTEND"].params["VALUE"] == "DATE"


def test_texts_have_only_line_breaks_of_their_own() -> None:
    event = only_event([release(title="A\nBEGIN:VALARM\r\nX:\x00\x1b", plex_url="https://watch.plex.tv/a\r\nX-EVIL:1")])

    assert str(event["SUMMARY"]) == "A\nBEGIN:VALARM\nX: (release)"
    assert event["URL"] == "https://watch.plex.tv/aX-EVIL:1"
    assert "X-EVIL" not in event
    assert event.subcomponents == []


def test_last_day_there_is_breaks_nothing() -> None:
    assert only_event([release(released_on="9999-12-31")])["DTSTART"].dt == date.max


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))))
def test_any_title_can_be_read_again(title: str) -> None:
    event = only_event([release(title=title, wanted_by=[{"name": title}], plex_url="https://watch.plex.tv/movie/é")])

    assert str(event["SUMMARY"]) == f"{title} (release)"
    assert str(event["DESCRIPTION"]) == f"Wanted by {title}"


def test_calendar_of_many_titles_is_one_calendar() -> None:
    titles = iter([release(uid=f"plex://movie/{number:024x}") for number in range(2000)])

    body = calendar(titles).body

    assert body.count("BEGIN:VEVENT") == body.count("END:VEVENT") == 2000
    assert (body.count("BEGIN:VCALENDAR"), body.count("END:VCALENDAR")) == (1, 1)
