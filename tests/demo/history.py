"""Three weeks of the demo's household: who joined, added, removed and wanted again what, and when.

The service's own sync reads every step from the simulated Plex. Between two steps time passes: every time in the
database is set back. So the demo holds what a service that ran for three weeks would hold.
"""

import logging
import threading
from datetime import UTC, datetime, timedelta

from psycopg import connect
from psycopg.sql import SQL, Identifier

from tests.support.fake_plex import FakePlex, Person, Row
from tests.support.fake_titles import Titles
from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.people.accounts import add_user
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.titles import PlexTitles
from wishlist_service.queries import server
from wishlist_service.queries.sync_users import get_client_identifier
from wishlist_service.sync import claims
from wishlist_service.sync.details import Details
from wishlist_service.sync.run import run_sync
from wishlist_service.tokens import TokenCipher

REFUSED = "Farah"
HELD = "Gus"
BETWEEN_SYNCS = timedelta(hours=13.25)  # the longest that the service itself lets pass, and a moment
STEP = BETWEEN_SYNCS / timedelta(days=1)
LAST_SYNC = timedelta(minutes=100)  # before the demo starts

# When each joined: days before the last sync, and the list they joined with, newest first.
JOINED = {
    "Ann": (21.0, "Harbour Lights, The Lantern Keeper, Café at the End of the Pier, Silver Birch, Two Sugars"),
    "Ben": (21.0, "The Lantern Keeper, Northbound, Undertow, The Long Thaw, Harbour Lights"),
    "Cleo": (20.0, "The Door in the Garden Wall, An Orchard in Winter, Kite Weather, The Lantern Keeper"),
    "Emil": (17.0, "Orbit Is a Lonely Word, Eleven Minutes Late, Untitled Space Opera, The Thirteenth Step"),
    "Farah": (14.0, "B-Sides, Quiet in B Minor, The Understudies, A Parliament of Rooks"),
    "Gus": (
        12.0,
        "The Bridge Tender, Last Orders at the Anchor, Dust and Marigolds, The Valley Line, Lamplight, Paper Boats, "
        "Return to Sender, Low Tide, The Cartographer's Daughter, Field Notes, Second Winter, A Short History of Rain",
    ),
}

# What happened then: + added or wanted again, - removed.
CHANGES = [
    (19.3, "Ann", "+It Rained on Thursday"),
    (18.4, "Ben", "+Night Shift, Line 9"),
    (17.6, "Cleo", "+Small Fish"),
    (16.4, "Ann", "-Silver Birch"),
    (15.5, "Emil", "+The Long Thaw"),
    (14.3, "Ben", "-Northbound"),
    (13.4, "Cleo", "+Ballooning for Beginners"),
    (12.6, "Farah", "+Harbour Lights"),
    (11.5, "Ann", "+Under Glass"),
    (11.4, "Ann", "+Lamplight"),
    (10.5, "Cleo", "+Paper Boats"),
    (10.4, "Emil", "+Someone Left the Light On"),
    (9.6, "Ben", "+Four Nights Without Signal"),
    (9.4, "Farah", "+Low Tide"),
    (8.5, "Cleo", "-Kite Weather"),
    (7.4, "Gus", "+The Lantern Keeper"),
    (7.3, "Emil", "+Second Winter"),
    (6.6, "Farah", "+Apartment 4C"),
    (6.4, "Ben", "+Northbound"),
    (6.3, "Cleo", "+Under Glass"),
    (6.2, "Ben", "+Dust and Marigolds"),
    (5.5, "Ann", "+Silver Birch"),
    (5.4, "Emil", "+Nightwatch, Ward Six"),
    (4.6, "Cleo", "+What the Leaves Know"),
    (4.4, "Ben", "+Apartment 4C"),
    (3.5, "Ann", "+The Long Thaw"),
    (3.4, "Cleo", "+Kite Weather"),
    (2.6, "Emil", "-The Thirteenth Step"),
    (2.4, "Farah", "+Two Sugars"),
    (2.3, "Ben", "+Someone Left the Light On"),
    (1.6, "Emil", "+The Lantern Keeper"),
    (1.5, "Farah", "+Lamplight"),
    (1.4, "Ann", "+The Door in the Garden Wall"),
    (0.6, "Cleo", "+Harbour Lights"),
    (0.4, "Ben", "+Eleven Minutes Late"),
    (0.3, "Emil", "+What the Leaves Know"),
    (0.1, "Ann", "+The Bridge Tender"),
]
LAST_OF_THE_REFUSED = 1.0
LEFT_OF_THE_HELD = 4


def token_of(name: str) -> str:
    """The token with which somebody's list is read."""
    return f"demo-token-of-{name.lower()}-0001"


class History:
    """Plays it all, with the titles' rows by name."""

    def __init__(self, config: Config, plex: FakePlex, records: Titles, rows: dict[str, Row]) -> None:
        self._config = config
        self._plex = plex
        self._records = records
        self._rows = rows
        self._stop = threading.Event()
        identifier = db.ask(config.database_url, get_client_identifier)
        self._client = PlexClient(config, client_identifier=identifier, stop=self._stop)
        self._cipher = TokenCipher(config.token_encryption_keys)
        asking = PlexTitles(config, client_identifier=identifier, stop=self._stop)
        self._details = Details(config, asking, self._cipher, stop=self._stop)

    def play(self) -> None:
        """All of it; takes some seconds."""
        logging.getLogger("wishlist_service").setLevel(logging.CRITICAL)  # it would tell of these syncs as of today's
        steps = sorted(
            [(days, name, "") for name, (days, _) in JOINED.items()]
            + CHANGES
            + [(LAST_OF_THE_REFUSED, REFUSED, "refuse"), (0.0, HELD, "shrink")],
            key=lambda step: -step[0],
        )
        for number in range(int(steps[0][0] / STEP), -1, -1):
            while steps and steps[0][0] >= number * STEP:
                _, name, what = steps.pop(0)
                self._do(name, what)
            self._sync()
            self._details.look()
            self._let_time_pass(BETWEEN_SYNCS if number else LAST_SYNC)

    def _do(self, name: str, what: str) -> None:
        person = self._plex.people.get(token_of(name))
        if person is None:
            self._join(name)
        elif what == "refuse":
            person = self._plex.people.pop(token_of(name))
            self._plex.people[f"new-{token_of(name)}"] = person  # what a sign-in would give
        elif what == "shrink":
            del person.rows[LEFT_OF_THE_HELD:]
        elif what.startswith("+"):
            self._add(person, name, what[1:], ago=timedelta(hours=1))
        else:
            person.rows.remove(self._rows[what[1:]])

    def _join(self, name: str) -> None:
        token = token_of(name)
        person = self._plex.add(token, username=name.lower())
        wanted = JOINED[name][1].split(", ")
        for place, title in reversed(list(enumerate(wanted, start=1))):
            self._add(person, name, title, ago=timedelta(days=9 * place))
        pool = db.Pool(self._config.database_url, size=1)
        pool.open()
        try:
            add_user(pool, self._client, self._cipher, name=name, token=token)
        finally:
            pool.close()

    def _add(self, person: Person, name: str, title: str, *, ago: timedelta) -> None:
        person.rows.insert(0, self._rows[title])
        self._records.added(token_of(name), self._rows[title], int((datetime.now(UTC) - ago).timestamp()))

    def _sync(self) -> None:
        claimed = claims.claim_due(self._config)
        assert claimed is not None, "nobody is due"
        run_sync(claimed, self._client, self._cipher, stop=self._stop)

    def _let_time_pass(self, gap: timedelta) -> None:
        """Set back every time in the database by so much."""
        with connect(self._config.database_url) as conn:
            always = server.disable_triggers(conn)  # no trigger takes this for a change
            columns = conn.execute(
                """
                SELECT attribute.attrelid::regclass::text, array_agg(attribute.attname::text)
                  FROM pg_attribute AS attribute
                  JOIN pg_class AS class ON class.oid = attribute.attrelid
                 WHERE class.relkind = 'r'
                   AND class.relnamespace = current_schema()::regnamespace
                   AND attribute.atttypid = 'timestamptz'::regtype
                   AND NOT attribute.attisdropped
              GROUP BY attribute.attrelid
                """
            ).fetchall()
            for table, names in columns:
                changes = SQL(", ").join(SQL("{0} = {0} - %(gap)s").format(Identifier(name)) for name in names)
                conn.execute(SQL("UPDATE {} SET {}").format(Identifier(table), changes), {"gap": gap})
            server.enable_triggers(conn, always=always)
