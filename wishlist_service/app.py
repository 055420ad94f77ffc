"""create_app(config) puts the web application together."""

import threading
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from wishlist_service import db
from wishlist_service.api import docs, health, history, invitations, me, metrics, sync, users, webhooks, wishlist
from wishlist_service.config import Config
from wishlist_service.feeds import arr, downloads, protection, views
from wishlist_service.pages.problem_pages import show_problem
from wishlist_service.pages.registration import register_pages
from wishlist_service.people.sign_ins import Links
from wishlist_service.tokens import TokenCipher
from wishlist_service.web.addresses import Request, with_plain_clients
from wishlist_service.web.auth import check_key
from wishlist_service.web.context import Context
from wishlist_service.web.cors import allow_origin, answer_preflight
from wishlist_service.web.finish import finish
from wishlist_service.web.paths import IdConverter, UidConverter, UrlBase
from wishlist_service.web.problems import register_problems
from wishlist_service.web.recent import Recent
from wishlist_service.web.response_cache import ResponseCache

LARGEST_BODY = 64 * 1024


class JSONProvider(DefaultJSONProvider):
    """Keys stay in order, text stays Unicode, and moments become RFC 3339 in UTC."""

    sort_keys = False
    ensure_ascii = False

    @staticmethod
    def default(o: Any) -> Any:
        """Return what JSON can hold in place of a value that it cannot."""
        if isinstance(o, datetime):
            return o.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(o, date):
            return o.isoformat()
        return DefaultJSONProvider.default(o)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse a request's body. Raises ValueError also for doubled names, NaN and too deep nesting."""
        try:
            return super().loads(s, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def create_app(config: Config, *, recent: Recent | None = None) -> Flask:
    """Return the application. Its pool is closed: the process that serves must call open_app().

    recent: what several web processes count together.
    """
    app = Flask("wishlist_service", static_folder=None)
    app.json = JSONProvider(app)
    app.request_class = Request
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    pool = db.Pool(config.database_url, size=config.web_threads)
    stop = threading.Event()
    cipher = TokenCipher(config.token_encryption_keys)
    shared = app.extensions["wishlist"] = Context(
        config=config,
        pool=pool,
        cipher=cipher,
        links=Links(config, pool, cipher, stop=stop),
        stop=stop,
        recent=recent or Recent(),
        cache=ResponseCache(),
    )

    app.url_map.merge_slashes = False  # before the first route, because a path with a uid may hold "//"
    app.url_map.strict_slashes = False  # an address that ends in a slash is the same
    app.url_map.converters |= {"uid": UidConverter, "id": IdConverter}
    for module in (
        users,
        me,
        invitations,
        wishlist,
        history,
        views,
        protection,
        arr,
        downloads,
        sync,
        webhooks,
        health,
        metrics,
        docs,
    ):
        app.register_blueprint(module.bp)
    register_pages(app)
    register_problems(app, show_problem)
    if config.cors_origins:
        app.before_request(answer_preflight)
        app.after_request(allow_origin)
    app.before_request(partial(check_key, shared))
    app.after_request(finish)

    wsgi_app = with_plain_clients(app.wsgi_app)
    if config.url_base:
        wsgi_app = UrlBase(wsgi_app, config.url_base)
    trusted = config.trusted_proxies
    if trusted:  # only for these two headers, because many proxies pass on a forged host or prefix
        wsgi_app = ProxyFix(wsgi_app, x_for=trusted, x_proto=trusted, x_host=0, x_port=0, x_prefix=0)
    app.wsgi_app = wsgi_app
    return app


def open_app(app: Flask) -> None:
    """Connect the app to the database. Call it in each process after the fork."""
    context_of(app).pool.open()


def close_app(app: Flask) -> None:
    """Stop a running sync after the current person, and close the connections."""
    shared = context_of(app)
    shared.stop.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sync-run-"):
            thread.join()
    shared.pool.close()


def context_of(app: Flask) -> Context:
    """Return the context of the app's views."""
    return app.extensions["wishlist"]
