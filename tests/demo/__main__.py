"""What surrounds the service in `make demo`: a simulated Plex, a media server, and a household with a history.

Needs the settings of the service and a migrated database. Writes the history, then prints one line of JSON with
the settings that lead to the simulated servers, and serves until it is stopped.
"""

import json
import os
from contextlib import suppress
from threading import Event, Timer

from psycopg import connect

from tests.demo.history import History, token_of
from tests.demo.titles import POSTERS, titles
from tests.support.fake_actions import Actions
from tests.support.fake_friends import Friends
from tests.support.fake_home import Home, Member
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_pins import Pin, Pins
from tests.support.fake_plex import FakePlex, Row
from tests.support.fake_titles import Titles
from wishlist_service.config import load_config

APPROVES_AFTER_SECONDS = 10
DORA = "demo-token-of-dora-0001"
IN_LIBRARY = (
    "Two Sugars", "The Lantern Keeper", "Undertow", "Small Fish", "Harbour Lights", "Kite Weather", "Silver Birch",
    "Return to Sender", "Field Notes",
)  # fmt: skip


def main() -> None:
    plex, server = FakePlex(), FakeMediaServer()
    settings = {
        "PLEX_DISCOVER_URL": plex.url,
        "PLEX_TV_URL": plex.url,
        "PLEX_AUTH_URL": f"{plex.url}/auth",
        "PLEX_COMMUNITY_URL": f"{plex.url}/api",
        "PLEX_PAGE_PAUSE_SECONDS": "0",
        "PLEX_SYNC_INTERVAL_HOURS": "12",  # half as many syncs to play as with 6
        "PLEX_SERVER_URL": server.url,
        "PLEX_SERVER_TOKEN": OWNER,
    }
    os.environ |= settings
    config = load_config()
    poster_url = f"http://localhost:{config.port}{config.url_base}{POSTERS}{{}}.svg"
    rows = {title.name: title.row(poster_url.format(title.slug)) for title in titles().values()}
    records = Titles(plex)
    for title in titles().values():
        records.tell(rows[title.name], summary=title.summary, genres=title.genres)
    Actions(plex)
    fill(server, rows)
    plex.start()
    server.start()

    History(config, plex, records, rows).play()
    with connect(config.database_url) as conn:
        conn.execute("UPDATE plex_users SET admin = true WHERE name = 'Ann'")
    plex.add(DORA, username="dora", rows=[rows["Dora's Own Film"], rows["An Orchard in Winter"]])
    bring_neighbours(plex, rows)
    let_people_sign_in(plex, config.database_url)
    print(json.dumps(settings), flush=True)
    with suppress(KeyboardInterrupt):
        Event().wait()


def fill(server: FakeMediaServer, rows: dict[str, Row]) -> None:
    """The libraries of the household."""
    libraries = {"movie": server.library("movie", "Movies"), "show": server.library("show", "Shows")}
    for name in IN_LIBRARY:
        server.add_title(libraries[rows[name]["type"]], rows[name]["guid"])


def bring_neighbours(plex: FakePlex, rows: dict[str, Row]) -> tuple[Home, Friends]:
    """Whom Plex shows Ann: in her Home Ben and a child's profile, and two friends, one of whom shares nothing."""
    ann = plex.people[token_of("Ann")]
    home, friends = Home(plex, ann), Friends(plex)
    ben = plex.people[token_of("Ben")]
    home.members[ben.uuid] = Member(ben)
    home.join("Kim", [rows[name] for name in ("Small Fish", "Kite Weather")], managed=True)
    hugo = plex.add(
        token_of("Hugo"), username="hugo", rows=[rows[name] for name in ("Undertow", "Night Shift, Line 9")]
    )
    ines = plex.add(token_of("Ines"), username="ines", rows=[rows["Lamplight"]])
    friends.befriend(ann, hugo, ines)
    friends.hidden.add(ines.uuid)
    return home, friends


def let_people_sign_in(plex: FakePlex, database_url: str) -> None:
    """Who gets a sign-in link approves it after a while: the person whose token it renews, or else Dora."""

    def approve(pin: Pin) -> None:
        with connect(database_url) as conn:
            renewed = conn.execute(
                """
                SELECT person.plex_username
                  FROM plex_links AS link
                  JOIN plex_users AS person ON person.id = link.user_id
                 WHERE link.code = %(code)s
                """,
                {"code": pin.code},
            ).fetchone()
        token_by_username = {person.username: token for token, person in plex.people.items()}
        pins.agree(pin.code, token_by_username[renewed[0] if renewed else "dora"])

    def approve_soon(pin: Pin) -> None:
        timer = Timer(APPROVES_AFTER_SECONDS, approve, (pin,))
        timer.daemon = True
        timer.start()

    pins = Pins(plex, on_made=approve_soon)


if __name__ == "__main__":
    main()
