"""Adding people whom Plex shows somebody who is here: members of their Plex Home, and friends."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict, Invalid, PlexAway, WishlistError
from wishlist_service.models import Contact
from wishlist_service.people import imports
from wishlist_service.queries import users
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import Fields

Result = tuple[bool, str, str]

bp = Blueprint("contacts", __name__, url_prefix="/people/<id:user_id>/contacts")


@bp.get("")
@needs_admin
def show(user_id: int) -> ResponseReturnValue:
    """Return the page with whom Plex shows the person. It is asked anew each time."""
    Fields.from_query(request).done()
    return _page(user_id)


@bp.post("")
def add(user_id: int) -> ResponseReturnValue:
    """Add the ticked people, and say for each what happened. Sending it again does no harm."""
    shared = context()
    try:
        contacts = imports.list_contacts(shared.pool, shared.plex, shared.cipher, user_id=user_id)
    except (Conflict, PlexAway) as error:
        return _page(user_id, error=error)
    ticked = {*request.form.getlist("add"), *request.form.getlist("again")}
    results = [_add(user_id, contact) for contact in contacts if contact.plex_uuid in ticked]
    if not results:
        results = [(False, "Nobody", "was ticked.")]
    return _page(user_id, results=results)


def _add(user_id: int, contact: Contact) -> Result:
    """Add one person. Return whether that worked, their name, and what happened."""
    shared = context()
    try:
        fields = Fields({"pin": pin} if (pin := request.form.get(f"pin-{contact.plex_uuid}")) else {})
        pin = fields.optional_token("pin")
        fields.done()
        reader = imports.find_reader(shared.pool, user_id)
        again = contact.plex_uuid in request.form.getlist("again")
        added = imports.add_contact(
            shared.config, shared.pool, shared.plex, shared.cipher, reader, contact, pin=pin, again=again
        )
    except Invalid as error:
        return (
            False,
            contact.title,
            "was not added. " + " ".join(f"The {each.field} {each.detail}" for each in error.errors),
        )
    except (Conflict, PlexAway) as error:
        return False, contact.title, f"was not added. {error}"
    return True, read(users.get_user, user_id=added).name, "was added. Their list is read within a minute."


def _page(
    user_id: int, *, error: WishlistError | None = None, results: list[Result] | None = None
) -> ResponseReturnValue:
    shared = context()
    person = read(users.get_user, user_id=user_id)
    contacts: list[Contact] = []
    if error is None:
        try:
            contacts = imports.list_contacts(shared.pool, shared.plex, shared.cipher, user_id=user_id)
        except (Conflict, PlexAway) as reason:
            error = reason
    page = render_template(
        "contacts.html",
        person=person,
        contacts=contacts,
        erased=imports.find_erased(shared.pool, shared.cipher, contacts),
        error=str(error) if error else "",
        results=results or [],
    )
    return page, 422 if error and not results else 200
