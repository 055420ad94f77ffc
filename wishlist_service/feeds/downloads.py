"""Downloads for sites that subscribe to nothing, sent as they are made: of any length, in the same little memory."""

import logging
from collections.abc import Iterator
from itertools import chain

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

bp = Blueprint("exports", __name__, url_prefix="/export")
bp.before_request(require_feed_ready)


@bp.get("/letterboxd.csv")
def export_letterboxd() -> ResponseReturnValue:
    """The movies for letterboxd.com/import."""
    return _csv("letterboxd")


@bp.get("/trakt.csv")
def export_trakt() -> ResponseReturnValue:
    """Movies and shows for Trakt's import."""
    return _csv("trakt")


@bp.get("/imdb.csv")
def export_imdb() -> ResponseReturnValue:
    """Movies and shows as a list exported by IMDb looks."""
    return _csv("imdb")


@bp.get("/wishlist.csv")
def export_csv() -> ResponseReturnValue:
    """Everything, for a spreadsheet."""
    return _csv("wishlist")


@bp.get("/wishlist.json")
def export_json() -> ResponseReturnValue:
    """Everything, as the API shows it."""
    filters = read_feed_filters()
    return _download("wishlist.json", "application/json", json_chunks(every_title(filters)), skipped=0)


def _csv(name: str) -> Response:
    table = TABLES[name]
    # Without its only id nothing would be left to export.
    missing = tuple(each for each in IDS if (each,) != table.ids)
    filters = read_feed_filters(media_types=table.media_types, missing=missing)

    skipped = read(count_without_ids, filters=filters, ids=[*table.ids]) if table.ids else 0
    file_name = "wishlist.csv" if name == "wishlist" else f"wishlist-{name}.csv"
    return _download(file_name, "text/csv; charset=utf-8", csv_chunks(table, every_title(filters)), skipped=skipped)


def _download(file_name: str, content_type: str, chunks: Iterator[str], *, skipped: int) -> Response:
    first = next(chunks)  # before the reply begins: a database that is away is still told with a status
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', SKIPPED: str(skipped)}
    return Response(_to_the_end(file_name, chain([first], chunks)), content_type=content_type, headers=headers)


def _to_the_end(file_name: str, chunks: Iterator[str]) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            yield chunk.encode()
    except OperationalError as error:
        logger.error("download broke off, the database is away file=%s reason=%r", file_name, str(error).strip())
        raise BrokenTransfer("the database went away in the middle of a download") from error
    except Exception as error:
        logger.exception("unexpected error in the middle of a download file=%s", file_name)
        raise BrokenTransfer("an error in the middle of a download") from error
