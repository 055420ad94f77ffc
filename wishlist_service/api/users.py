"""The people whose watchlists make up the wishlist, and their sign-ins by link."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, g, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict
from wishlist_service.models import PlexLink, PlexUser
from wishlist_service.notify import addresses
from wishlist_service.people import accounts, imports
from wishlist_service.queries import sign_ins, users
from wishlist_service.queries.addresses import list_addresses
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read, reply
from wishlist_service.web.fields import LARGEST_ID, Fields
from wishlist_service.web.listing import list_page, read_listing

bp = Blueprint("users", __name__, url_prefix="/api/users")

USER_PATH = "/<id:user_id>"


@bp.post("")
def add_user() -> ResponseReturnValue:
    """Add a person: with their Plex token, or read through another person."""
    fields = Fields.from_json(request)
    shared = context()
    if "via" in fields:
        if fields.optional_token("token"):
            fields.error("body", "must hold exactly one of token and via.")
        name = fields.optional_text("name", maximum=100)
        plex_uuid = fields.text("plex_uuid", maximum=100)
        via_id = fields.id("via")
        pin, again = fields.optional_token("pin"), fields.flag("again")
        fields.done()
        user_id, new = (
            imports.add_user(
                shared.config, shared.pool, shared.plex, shared.cipher,
                via_id=via_id, plex_uuid=plex_uuid, name=name, pin=pin, again=bool(again),
            ),
            True,
        )  # fmt: skip
    else:
        name, token = fields.text("name", maximum=100), fields.token("token")
        fields.done()
        user_id, new = accounts.add_user(shared.pool, shared.plex, shared.cipher, name=name, token=token)
    user = read(users.get_user, user_id=user_id)
    return jsonify(user), 201 if new else 200, {"Location": url_for(".get_user", user_id=user_id)}


@bp.get("")
def list_users() -> ResponseReturnValue:
    """Return a page of people: everyone, or only those active or paused, of one source, or read through one person."""
    query = Fields.from_query(request)
    active = query.flag("active")
    source = query.choice("source", ("own", "home", "friend"), default=None)
    via_id = query.integer("via", minimum=1, maximum=LARGEST_ID)
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    query.done()

    items = read(users.list_users, active=active, source=source, via_id=via_id, limit=limit, offset=offset)
    total = read(users.count_users, active=active, source=source, via_id=via_id)
    return jsonify({"items": [masked(user) for user in items], "total": total, "limit": limit, "offset": offset})


@bp.get(USER_PATH)
def get_user(user_id: int) -> ResponseReturnValue:
    """Return one person."""
    return jsonify(masked(read(users.get_user, user_id=user_id)))


@bp.patch(USER_PATH)
def change_user(user_id: int) -> ResponseReturnValue:
    """Change name, token, active, admin, via, pin or notify_urls. Fields that are absent stay as they are."""
    fields = Fields.from_json(request)
    name = fields.optional_text("name", maximum=100)
    token = fields.optional_token("token")
    active = fields.flag("active")
    admin = fields.flag("admin")
    via_id = fields.id("via") if "via" in fields else None
    pin = fields.optional_token("pin")
    urls = fields.texts("notify_urls", maximum=2000, count=addresses.MAXIMUM)
    if not any(field in fields for field in ("name", "token", "active", "admin", "via", "pin", "notify_urls")):
        fields.error("body", "must hold at least one of name, token, active, admin, via, pin, notify_urls.")
    fields.done()

    shared = context()
    new_addresses = None
    if urls is not None:
        known = read(list_addresses, user_id=user_id)
        new_addresses = addresses.prepare(
            shared.cipher, urls, name="notify_urls", user_id=user_id, known=known, anywhere=True
        )
    moved = None
    if via_id is not None or pin is not None:
        moved = imports.prepare_move(
            shared.config, shared.pool, shared.plex, shared.cipher, user_id=user_id, via_id=via_id, pin=pin
        )
    accounts.change_user(
        shared.pool, shared.plex, shared.cipher,
        user_id=user_id, name=name, token=token, active=active, by_self=g.user_id == user_id, admin=admin, moved=moved,
        addresses=new_addresses,
    )  # fmt: skip
    return jsonify(read(users.get_user, user_id=user_id))


@bp.delete(USER_PATH)
def remove_user(user_id: int) -> ResponseReturnValue:
    """Pause a person: their wishes are kept but not shown. With purge=true, erase them."""
    query = Fields.from_query(request)
    purge = query.flag("purge")
    query.done()

    shared = context()
    if purge:
        accounts.erase_user(shared.pool, shared.cipher, user_id=user_id)
    else:
        by_self = g.user_id == user_id
        accounts.change_user(shared.pool, shared.plex, shared.cipher, user_id=user_id, active=False, by_self=by_self)
    return "", 204


@bp.delete(f"{USER_PATH}/token")
def drop_token(user_id: int) -> ResponseReturnValue:
    """Make a person be read through somebody else again."""
    accounts.drop_token(context().pool, user_id=user_id)
    return jsonify(read(users.get_user, user_id=user_id))


@bp.post(f"{USER_PATH}/notify-test")
def send_test(user_id: int) -> ResponseReturnValue:
    """Send a test message to each address of a person."""
    Fields.from_query(request).done()
    shared = context()
    items = addresses.send_test(shared.config, shared.pool, shared.cipher, user_id=user_id)
    return jsonify({"items": items})


@bp.get(f"{USER_PATH}/contacts")
@needs_admin
def list_contacts(user_id: int) -> ResponseReturnValue:
    """Return the people whom Plex shows this person."""
    Fields.from_query(request).done()
    shared = context()
    contacts = imports.list_contacts(shared.pool, shared.plex, shared.cipher, user_id=user_id)
    return jsonify({"items": contacts, "total": len(contacts)})


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


def masked(user: PlexUser) -> PlexUser:
    """Return the person; the last characters of the token only for an admin, the addresses also for themselves."""
    if g.is_admin:
        return user
    hidden = replace(user, token_masked="****")  # noqa: S106 - this hides it
    return hidden if user.id == g.user_id else replace(hidden, notify_urls_masked=None)


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
