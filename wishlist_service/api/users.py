"""The people whose watchlists make up the wishlist, and their sign-ins by link."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, g, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict
from wishlist_service.models import PlexLink, PlexUser
from wishlist_service.people import accounts
from wishlist_service.queries import sign_ins, users
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read, reply
from wishlist_service.web.fields import LARGEST_ID, Fields
from wishlist_service.web.listing import list_page, read_listing

bp = Blueprint("users", __name__, url_prefix="/api/users")

USER_PATH = "/<id:user_id>"


@bp.post("")
def add_user() -> ResponseReturnValue:
    """Add a person with their Plex token."""
    fields = Fields.from_json(request)
    name, token = fields.text("name", maximum=100), fields.token("token")
    fields.done()

    shared = context()
    user_id = accounts.add_user(shared.pool, shared.plex, shared.cipher, name=name, token=token)
    user = read(users.get_user, user_id=user_id)
    return jsonify(user), 201, {"Location": url_for(".get_user", user_id=user_id)}


@bp.get("")
def list_users() -> ResponseReturnValue:
    """Return a page of people: everyone, or only those active or paused."""
    query = Fields.from_query(request)
    active = query.flag("active")
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    query.done()

    items = read(users.list_users, active=active, limit=limit, offset=offset)
    total = read(users.count_users, active=active)
    return jsonify({"items": [_masked(user) for user in items], "total": total, "limit": limit, "offset": offset})


@bp.get(USER_PATH)
def get_user(user_id: int) -> ResponseReturnValue:
    """Return one person."""
    return jsonify(_masked(read(users.get_user, user_id=user_id)))


@bp.patch(USER_PATH)
def change_user(user_id: int) -> ResponseReturnValue:
    """Change name, token or active. Fields that are absent stay as they are."""
    fields = Fields.from_json(request)
    name = fields.optional_text("name", maximum=100)
    token = fields.optional_token("token")
    active = fields.flag("active")
    if not any(field in fields for field in ("name", "token", "active")):
        fields.error("body", "must hold at least one of name, token, active.")
    fields.done()

    shared = context()
    accounts.change_user(
        shared.pool, shared.plex, shared.cipher, user_id=user_id, name=name, token=token, active=active
    )
    return jsonify(read(users.get_user, user_id=user_id))


@bp.delete(USER_PATH)
def remove_user(user_id: int) -> ResponseReturnValue:
    """Pause a person: their wishes are kept but not shown. With purge=true, erase them."""
    query = Fields.from_query(request)
    purge = query.flag("purge")
    query.done()

    shared = context()
    if purge:
        accounts.erase_user(shared.pool, user_id=user_id)
    else:
        accounts.change_user(shared.pool, shared.plex, shared.cipher, user_id=user_id, active=False)
    return "", 204


@bp.get(f"{USER_PATH}/wishlist")
def list_wishes(user_id: int) -> ResponseReturnValue:
    """Return a page of what one person wants."""
    listing = read_listing(user_id=user_id)

    def body() -> str:
        user = read(users.get_user, user_id=user_id)
        if not user.active:  # an empty list would mean that they want nothing
            raise Conflict(
                f"{user.name} is paused: their wishes are kept but not shown. "
                f'To resume, send {{"active": true}} with PATCH /api/users/{user_id}.'
            )
        return list_page(listing)

    return reply(body)


@bp.post("/link")
def start_sign_in() -> ResponseReturnValue:
    """Start the sign-in of a person to be added."""
    fields = Fields.from_json(request)
    name = fields.text("name", maximum=100)
    fields.done()

    return _started(context().links.start(name=name))


@bp.post(f"{USER_PATH}/link")
def renew_token(user_id: int) -> ResponseReturnValue:
    """Start a sign-in that renews a person's token."""
    return _started(context().links.renew(user_id=user_id))


@bp.get("/link/<id:link_id>")
@needs_admin  # with the address, a stranger could sign in under another name
def get_sign_in(link_id: int) -> ResponseReturnValue:
    """Return a sign-in. One that failed is a Conflict, as the same token sent by hand would be."""
    link = read(sign_ins.get_link, link_id=link_id)
    if link.status == "failed":
        raise Conflict(link.detail)
    if link.status == "pending":  # the process that asked Plex about it may have been killed
        context().links.watch()
    return jsonify(_shown(link))


def _masked(user: PlexUser) -> PlexUser:
    """Return the person; the last characters of the token only for the API_KEY."""
    return user if g.is_admin else replace(user, token_masked="****")  # noqa: S106 - this hides it


def _started(link_id: int) -> ResponseReturnValue:
    link = read(sign_ins.get_link, link_id=link_id)
    return jsonify(_shown(link)), 201, {"Location": url_for(".get_sign_in", link_id=link_id)}


def _shown(link: PlexLink) -> dict[str, Any]:
    pending = link.status == "pending"
    return {
        "id": link.id,
        "name": link.name,
        "status": link.status,
        "url": context().links.url(link) if pending else None,
        "code": link.code if pending else None,
        "expires_at": link.expires_at,
        "created_at": link.created_at,
        "user": read(users.get_user, user_id=link.user_id) if link.status == "linked" and link.user_id else None,
    }
