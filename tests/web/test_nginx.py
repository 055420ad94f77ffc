"""The service behind a real nginx: however the proxy is set up, every path arrives and every link leads back."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote, urljoin

import pytest
from psycopg import connect
from psycopg.conninfo import conninfo_to_dict

from tests.support.fake_plex import FakePlex, row
from tests.support.nginx import BASE, SERVICES, SETUPS, Door, nginx
from tests.support.processes import environment, free_ports, gunicorn, wait_until

pytestmark = pytest.mark.slow

MOVIE, SHOW = "0a0000000000000000000b1f", "0c0000000000000000000d2e"
FORGED = {
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "6.6.6.6, 7.7.7.7",
    "X-Forwarded-Server": "evil.test",
    "X-Script-Name": "/evil",
    "X-Original-URL": "/evil",
    "Forwarded": "for=6.6.6.6;host=evil.test;proto=https",
    "SCRIPT_NAME": "/evil",
    "PATH_INFO": "/evil",
}
# what the service makes of a request, after it has heeded the headers of proxies
SEEN = "--access-logformat='seen %(U)s?%(q)s from %({REMOTE_ADDR}e)s by %({wsgi.url_scheme}e)s for %({HTTP_HOST}e)s'"


@pytest.fixture(scope="module")
def doors(new_database: Callable[[str | None], str], template: str, server_url: str) -> Iterator[dict[str, Door]]:
    """Every door by name, to a service that knows Ann, who wants a movie and a show."""
    database_url = new_database(template)
    plex = FakePlex()
    plex.start()
    ann = plex.add("token-of-ann", rows=[row(MOVIE, "Alpha"), row(SHOW, "Beta", media_type="show")])
    ports = dict(zip((*SERVICES, *SETUPS), free_ports(), strict=False))
    env = environment(database_url, plex.url, WEB_WORKERS="1", GUNICORN_CMD_ARGS=f"--access-logfile=- {SEEN}")
    try:
        with ExitStack() as running:
            services = [
                running.enter_context(gunicorn(env | settings | {"PORT": str(ports[service])}))[0]
                for service, settings in SERVICES.items()
            ]
            running.enter_context(nginx(ports))
            behind = dict(zip(SERVICES, services, strict=True)) | {s: services[s.base == BASE] for s in SETUPS}
            doors = {setup.name: Door(setup, ports[setup], behind[setup], plex, ann) for setup in ports}
            direct = doors["direct"]
            assert direct.send("/api/users", "POST", body={"name": "Ann", "token": "token-of-ann"}).status == 201
            assert direct.send("/api/sync?wait=50", "POST").json["new_items"] == 2
            yield doors
            assert [service.end() for service in services] == [0, 0, 0]
    finally:
        plex.stop()
        with connect(server_url, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {conninfo_to_dict(database_url)['dbname']} WITH (FORCE)")


@pytest.fixture(params=[setup.name for setup in (*SERVICES, *SETUPS)])
def door(doors: dict[str, Door], request: pytest.FixtureRequest) -> Door:
    return doors[request.param]


def spellings(media_type: str, key: str) -> list[str]:
    """The ways to write a uid that a path can hold."""
    uid, short = f"plex://{media_type}/{key}", f"{media_type}/{key}"
    encoded = quote(uid, safe="")
    return [
        uid,
        encoded,
        encoded.lower(),
        quote(uid, safe=":"),
        quote(uid, safe="/"),
        encoded.replace("%2F", "/", 1),
        quote(encoded, safe=""),
        quote(encoded, safe="").lower(),
        f"plex:/{short}",
        f"plex:///{media_type}//{key}",
        quote(f"plex:/{short}", safe=""),
        quote(f"plex:/{short}", safe="/"),
        short,
        f"{media_type}//{key}",
        quote(short, safe=""),
        quote(quote(short, safe=""), safe=""),
        f"plex://{media_type}/{key.upper()}",
        uid.upper(),
        quote(uid.upper(), safe=""),
        key,
        key.upper(),
        *(f"{spelling}{end}" for spelling in (uid, encoded, short, key) for end in ("/", "//", "%2F", "%252F")),
    ]


@pytest.mark.parametrize(("media_type", "key", "title"), [("movie", MOVIE, "Alpha"), ("show", SHOW, "Beta")])
def test_every_spelling_reaches_the_item(door: Door, media_type: str, key: str, title: str) -> None:
    paths = [f"{prefix}/api/wishlist/{text}" for prefix in door.setup.prefixes for text in spellings(media_type, key)]

    replies = {path: door.send(path) for path in paths}

    found = {path: (reply.status, reply.json.get("uid"), reply.json.get("title")) for path, reply in replies.items()}
    assert found == dict.fromkeys(paths, (200, f"plex://{media_type}/{key}", title))


def test_what_is_no_uid_is_not_found_and_never_redirected(door: Door) -> None:
    wrong = (f"plex://artist/{MOVIE}", quote(f"plex://movie/{MOVIE}0", safe=""), f"show/{MOVIE}", MOVIE[1:], "movie//")

    for prefix in door.setup.prefixes:
        replies = [door.send(f"{prefix}/api/wishlist/{text}") for text in wrong]
        odd = door.send(f"{prefix}/api/wishlist//{MOVIE}")  # some proxies mend it, the service does not

        kinds = {(reply.status, reply.headers["Content-Type"]) for reply in replies}
        assert kinds == {(404, "application/problem+json")}
        assert odd.status in (200, 404)


@pytest.mark.parametrize("page", ["/docs", "/docs/"])
def test_docs_come_with_all_their_parts(door: Door, page: str) -> None:
    for prefix in door.setup.prefixes:
        reply = door.send(prefix + page)
        links = re.findall('(?:href|src|data-url)="(.+?)"', reply.body.decode())
        parts = {link: door.send(urljoin(prefix + page, link)) for link in links}

        assert (reply.status, {part.status for part in parts.values()}) == (200, {200})
        assert {link.rpartition(".")[2]: bool(part.body) for link, part in parts.items()} == dict.fromkeys(
            ("png", "css", "js", "json"), True
        )


def test_described_operations_are_where_the_document_says(door: Door) -> None:
    for prefix in door.setup.prefixes:
        document = door.send(f"{prefix}/openapi.json").json

        assert document["servers"] == [{"url": door.setup.base or "/"}]
        assert door.send(f"{door.setup.base}/api/wishlist").json["total"] == 2


def test_bare_address_leads_to_the_wall_and_on_to_a_title(door: Door) -> None:
    for path in {f"{prefix}/" for prefix in door.setup.prefixes} | {door.setup.base or "/"}:
        wall = door.follow(path).body.decode()
        [address] = re.findall(f'href="([^"]*/title/movie/{MOVIE})"', wall)
        assert b"Alpha</h1>" in door.follow(address).body
        for asset in re.findall('(?:href|src)="([^"]*/static/[^"]*)"', wall):
            assert door.send(asset).status == 200


def test_health_is_answered(door: Door) -> None:
    replies = [door.send(f"{prefix}/health") for prefix in door.setup.prefixes]

    assert {(reply.status, reply.json["status"]) for reply in replies} == {(200, "ok")}


def test_location_of_what_was_made_leads_to_it(door: Door) -> None:
    person = {"name": door.setup.name, "token": f"token-for-{door.port}"}
    door.plex.add(person["token"])

    made = door.send(f"{door.setup.prefixes[-1]}/api/users", "POST", body=person, headers=FORGED)

    assert (made.status, made.headers["Location"]) == (201, f"{door.setup.base}/api/users/{made.json['id']}")
    assert door.send(made.headers["Location"]).json == made.json


def test_location_of_a_sync_under_way_leads_to_it(door: Door) -> None:
    go_on = threading.Event()
    door.ann.before_page = lambda _start: go_on.wait(30) and None

    begun = door.send(f"{door.setup.prefixes[-1]}/api/sync?user_id=1&wait=0", "POST", headers=FORGED)
    go_on.set()

    assert (begun.status, begun.headers["Location"]) == (202, f"{door.setup.base}/api/sync/runs/{begun.json['id']}")
    wait_until(lambda: door.send(begun.headers["Location"]).json["status"] == "succeeded")


def test_forged_headers_change_no_answer(door: Door) -> None:
    def answers(headers: dict[str, str]) -> list[tuple[int, str | None, bytes]]:
        replies = [
            door.send(prefix + path, headers=headers)
            for prefix in door.setup.prefixes
            for path in ("/", "/docs", "/docs/", "/openapi.json", "/health", f"/api/wishlist/{MOVIE}", "/nothing")
        ]
        return [(reply.status, reply.headers.get("Location"), reply.body) for reply in replies]

    assert answers(FORGED) == answers({})


@pytest.mark.parametrize(
    ("name", "source", "seen"),
    [
        ("by host, merge_slashes on", "127.0.0.2", "127.0.0.2 by http"),
        ("all paths, merge_slashes on", "127.0.0.2", "127.0.0.2 by http"),
        ("sub-path kept, merge_slashes on", "127.0.0.2", "127.0.0.2 by http"),
        # without nginx a caller can pass for the one trusted proxy, but not for two
        ("direct with URL_BASE", "127.0.0.2", "7.7.7.7 by https"),
        # callers on this machine are not trusted either
        ("direct, no proxy trusted", "127.0.0.1", "127.0.0.1 by http"),
        ("direct, no proxy trusted", "127.0.0.2", "127.0.0.2 by http"),
    ],
)
def test_as_many_proxies_are_believed_as_are_trusted(doors: dict[str, Door], name: str, source: str, seen: str) -> None:
    door, marked = doors[name], f"/health?{name}-{source}".replace(" ", "-")

    door.send(door.setup.prefixes[0] + marked, headers=FORGED, source=source)

    door.service.wait_for(f"seen {marked} ")
    assert f"seen {marked} from {seen} for 127.0.0.1:{door.port}" in door.service.output
