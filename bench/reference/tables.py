"""Settings, engine and tables; run as a program it creates the tables."""

from datetime import UTC, datetime

from pydantic_settings import BaseSettings
from sqlalchemy import DateTime, ForeignKey, UniqueConstraint, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker


class Settings(BaseSettings):
    """Read from the environment."""

    database_url: str
    api_key: str
    plex_discover_url: str = "https://discover.provider.plex.tv"


settings = Settings()
engine = create_engine(
    settings.database_url.replace("postgresql://", "postgresql+psycopg2://", 1),
    pool_size=20,  # as many as there are clients in the measurements: none waits for a connection
)
Session = sessionmaker(engine)


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """What all tables share: moments know their zone."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


class PlexUser(Base):
    """A person and their token."""

    __tablename__ = "plex_users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    plex_token: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    sources: Mapped[list["WishlistItemSource"]] = relationship(back_populates="user")


class WishlistItem(Base):
    """A movie or show."""

    __tablename__ = "wishlist_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str] = mapped_column(index=True)
    year: Mapped[int | None] = mapped_column(index=True)
    added_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)

    sources: Mapped[list["WishlistItemSource"]] = relationship(back_populates="item")


class WishlistItemSource(Base):
    """That a person wants a movie or show."""

    __tablename__ = "wishlist_item_sources"
    __table_args__ = (UniqueConstraint("item_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("wishlist_items.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("plex_users.id"), index=True)
    first_added_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)

    item: Mapped[WishlistItem] = relationship(back_populates="sources")
    user: Mapped[PlexUser] = relationship(back_populates="sources")


if __name__ == "__main__":
    Base.metadata.create_all(engine)
