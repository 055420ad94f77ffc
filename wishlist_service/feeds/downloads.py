"""Downloads for sites that cannot subscribe. They are sent while they are made, so memory does not grow with them."""

import logging
import threading
from collections.abc import Iterator
from itertools import chain
from typing import Final

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from psycopg import OperationalError

from wishlist_service.errors import BrokenTransfer
from wishlist_service.feeds.tables import TABLES, csv_chunks, json_chunks
from wishlist_service.feeds.titles import every_title, require_feed_ready
from wishlist_service.queries.feeds import count_without_ids
from wishlist_service.web.context import SKIPPED, read
from wishlist_service.web.listing import IDS, read_feed_filters

logger = logging.getLogger(__name__)

# Parts of so many downloads are made at a time. Many downloads at once leave the other requests their share.
_making: Final = threading.Semaphore(2)

bp = Blueprint("exports", __name__, url_prefix="/export")
bp.before_request(require_feed_ready)


@bp.get("/letterboxd.csv")
def export_letterboxd() -> ResponseReturnValue:
    """Return the movies for letterboxd.com/import."""
    return _csv("letterboxd")


@bp.get("/trakt.csv")
def export_trakt() -> ResponseReturnValue:
    """Return movies and shows for Trakt's import."""
    return _csv("trakt")


@bp.get("/imdb.csv")
def export_imdb() -> ResponseReturnValue:
    """Return movies and shows in the format of IMDb's exported lists."""
    return _csv("imdb")


@bp.get("/wishlist.csv")
def export_csv() -> ResponseReturnValue:
    """Return everything for a spreadsheet."""
    return _csv("wishlist")


@bp.get("/wishlist.json")
def export_json() -> ResponseReturnValue:
    """Return everything as the API shows it."""
    filters = read_feed_filters()
    return _download("wishlist.json", "application/json", json_chunks(every_title(filters)), skipped=0)


def _csv(name: str) -> Response:
    table = TABLES[name]
    # `missing` must not name the only id that a row needs: nothing would be left.
    missing = tuple(each for each in IDS if (each,) != table.ids)
    filters = read_feed_filters(media_types=table.media_types, missing=missing)

    skipped = read(count_without_ids, filters=filters, ids=[*table.ids]) if table.ids else 0
    file_name = "wishlist.csv" if name == "wishlist" else f"wishlist-{name}.csv"
    return _download(file_name, "text/csv; charset=utf-8", csv_chunks(table, every_title(filters)), skipped=skipped)


def _download(file_name: str, content_type: str, chunks: Iterator[str], *, skipped: int) -> Response:
    first = next(chunks)  # before the reply starts, so that a database that is away still gives a 503
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', SKIPPED: str(skipped)}
    return Response(_to_the_end(file_name, chain([first], chunks)), content_type=content_type, headers=headers)


def _to_the_end(file_name: str, chunks: Iterator[str]) -> Iterator[bytes]:
    try:
        while True:
            with _making:
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk.encode()
    except OperationalError as error:
        logger.error("download broke off, the database is away file=%s reason=%r", file_name, str(error).strip())
        raise BrokenTransfer("the database went away during a download") from error
    except Exception as error:
        logger.exception("unexpected error during a download file=%s", file_name)
        raise BrokenTransfer("an error during a download") from error
