"""Encrypted tokens, all of them: to see whether they can be read, and to encrypt them anew."""

from psycopg import Connection


def list_tokens(conn: Connection) -> list[tuple[int, str, str]]:
    """Id, name and encrypted token of everybody."""
    return conn.execute(
        """
        SELECT id, name, plex_token
          FROM plex_users
      ORDER BY id
        """
    ).fetchall()


def list_paused_tokens(conn: Connection) -> list[tuple[int, str, str]]:
    """Those of list_tokens() whose person is paused."""
    return conn.execute(
        """
        SELECT id, name, plex_token
          FROM plex_users
         WHERE NOT active
      ORDER BY id
        """
    ).fetchall()


def lock_tokens(conn: Connection) -> list[tuple[int, str, str]]:
    """Those of list_tokens(), and nobody else changes them until this transaction ends."""
    return conn.execute(
        """
        SELECT id, name, plex_token
          FROM plex_users
      ORDER BY id
           FOR NO KEY UPDATE
        """
    ).fetchall()


def replace_ciphertext(conn: Connection, *, user_id: int, plex_token: str, token_fingerprint: str) -> None:
    """Store the same token encrypted anew: nothing has to be read again."""
    conn.execute(
        """
        UPDATE plex_users
           SET plex_token = %(plex_token)s,
               token_fingerprint = %(token_fingerprint)s
         WHERE id = %(user_id)s
        """,
        {"user_id": user_id, "plex_token": plex_token, "token_fingerprint": token_fingerprint},
    )
