"""The API: uvicorn bench.reference.app:app."""

import secrets
from collections.abc import Iterator
from datetime import datetime
from threading import Lock
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session as OrmSession

from bench.reference.sync import sync_everybody
from bench.reference.tables import PlexUser, Session, WishlistItem, WishlistItemSource, settings

app = FastAPI(title="Wishlist")
one_sync = Lock()


def open_session() -> Iterator[OrmSession]:
    """A session for one request."""
    with Session() as session:
        yield session


def check_key(x_api_key: Annotated[str, Header()] = "") -> None:
    """Refuse a request that lacks the key."""
    if not secrets.compare_digest(x_api_key.encode(), settings.api_key.encode()):
        raise HTTPException(401, "The header X-API-Key is missing or wrong.")


Database = Annotated[OrmSession, Depends(open_session)]
WITH_KEY = [Depends(check_key)]


class NewUser(BaseModel):
    """A person to add."""

    name: str
    token: str


class User(BaseModel):
    """A person, without the token."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    active: bool
    created_at: datetime
    updated_at: datetime


class Person(BaseModel):
    """Who wants an item, and since when."""

    id: int
    name: str
    first_added_at: datetime


class Item(BaseModel):
    """A movie or show, with everyone who wants it."""

    id: int
    uid: str
    title: str
    year: int | None
    added_at: datetime
    last_seen_at: datetime
    wanted_by: list[Person]


class Page(BaseModel):
    """A part of the wishlist."""

    items: list[Item]
    limit: int
    offset: int


class Stats(BaseModel):
    """The wishlist in numbers."""

    total_items: int
    items_by_year: list[dict[str, int | None]]
    items_by_user: list[dict[str, int | str]]


def shown(item: WishlistItem) -> Item:
    """The item as the API shows it; touching its people loads them."""
    return Item(
        id=item.id,
        uid=item.uid,
        title=item.title,
        year=item.year,
        added_at=item.added_at,
        last_seen_at=item.last_seen_at,
        wanted_by=[
            Person(id=source.user.id, name=source.user.name, first_added_at=source.first_added_at)
            for source in item.sources
        ],
    )


@app.get("/health")
def health(session: Database) -> dict[str, str]:
    """Whether the database answers."""
    session.execute(select(1))
    return {"status": "ok"}


@app.get("/api/users")
def list_users(session: Database) -> list[User]:
    """Return everyone."""
    return [User.model_validate(user) for user in session.scalars(select(PlexUser).order_by(PlexUser.id))]


@app.post("/api/users", status_code=201, dependencies=WITH_KEY)
def add_user(new: NewUser, session: Database) -> User:
    """Add a person."""
    user = PlexUser(name=new.name, plex_token=new.token)
    session.add(user)
    session.commit()
    return User.model_validate(user)


@app.get("/api/wishlist")
def list_items(
    session: Database,
    search: str | None = None,
    year: int | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Page:
    """A page of the wishlist, the newest first."""
    query = select(WishlistItem).order_by(WishlistItem.added_at.desc(), WishlistItem.id.desc())
    if search:
        query = query.where(WishlistItem.title.ilike(f"%{search}%"))
    if year is not None:
        query = query.where(WishlistItem.year == year)
    items = session.scalars(query.limit(limit).offset(offset)).all()
    return Page(items=[shown(item) for item in items], limit=limit, offset=offset)


@app.get("/api/wishlist/stats/summary")
def get_stats(session: Database) -> Stats:
    """The wishlist in numbers."""
    total = session.scalar(select(func.count()).select_from(WishlistItem)) or 0
    by_year = session.execute(
        select(WishlistItem.year, func.count()).group_by(WishlistItem.year).order_by(WishlistItem.year)
    )
    by_user = session.execute(
        select(PlexUser.id, PlexUser.name, func.count(WishlistItemSource.id))
        .outerjoin(WishlistItemSource)
        .group_by(PlexUser.id)
        .order_by(PlexUser.id)
    )
    return Stats(
        total_items=total,
        items_by_year=[{"year": year, "items": items} for year, items in by_year],
        items_by_user=[{"id": user_id, "name": name, "items": items} for user_id, name, items in by_user],
    )


@app.get("/api/wishlist/{uid:path}")
def get_item(uid: str, session: Database) -> Item:
    """One item."""
    item = session.scalar(select(WishlistItem).where(WishlistItem.uid == uid))
    if item is None:
        raise HTTPException(404, "There is no such item.")
    return shown(item)


@app.post("/api/sync", dependencies=WITH_KEY)
def sync(session: Database) -> dict[str, Any]:
    """Sync everyone. The reply comes at the end."""
    if not one_sync.acquire(blocking=False):
        raise HTTPException(409, "A sync is running.")
    try:
        return sync_everybody(session)
    finally:
        one_sync.release()
