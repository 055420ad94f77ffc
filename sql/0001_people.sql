-- People, their sign-ins, and what all files share: the one row of the service, times and hidden names.
--
-- RULE: never edit a file that was released (0.2.0: 0001 to 0005), not even a comment. Add one with the next number.
-- A database that was made from other files is refused.

CREATE TABLE sync_state (
    one               boolean NOT NULL DEFAULT true,
    client_identifier text NOT NULL DEFAULT gen_random_uuid()::text,
    generation        bigint NOT NULL DEFAULT 0,
    library_due_at    timestamptz NOT NULL DEFAULT now(),
    library_failures  integer NOT NULL DEFAULT 0,
    library_asked_at  timestamptz,
    library_whole_at  timestamptz,
    language          text NOT NULL DEFAULT 'en',
    timeline          text,
    next_switch_at    timestamptz NOT NULL DEFAULT now(),
    erased_key        text,
    claimed           boolean NOT NULL DEFAULT false,
    own_address       text,
    CONSTRAINT sync_state_pkey PRIMARY KEY (one),
    CONSTRAINT sync_state_one_check CHECK (one)
) WITH (fillfactor = 10);  -- as for plex_users

COMMENT ON TABLE sync_state IS 'What the service has one of. Always exactly one row.';
COMMENT ON COLUMN sync_state.one IS 'Always true. As the primary key it allows no second row.';
COMMENT ON COLUMN sync_state.client_identifier IS
    'How this installation names itself to Plex, in the header X-Plex-Client-Identifier.';
COMMENT ON COLUMN sync_state.generation IS
    'Grows with every change of what the wishlist shows. Microseconds since 1970, so that a database restored from '
    'a backup never gets a number that it already had with other contents.';
COMMENT ON COLUMN sync_state.library_due_at IS
    'When a scheduler next looks at the media server. It does so later if the last look changed nothing, because such '
    'a look writes nothing.';
COMMENT ON COLUMN sync_state.library_failures IS 'How often in a row that failed. The time of the next try depends on it.';
COMMENT ON COLUMN sync_state.library_asked_at IS
    'When the media server told that it has something new. Null once a look has begun after that.';
COMMENT ON COLUMN sync_state.library_whole_at IS
    'When all wanted titles were last compared with all libraries, which happens once a day. Null before the first time.';
COMMENT ON COLUMN sync_state.language IS 'The PLEX_LANGUAGE in which titles and details were read.';
COMMENT ON COLUMN sync_state.timeline IS
    'The timeline of the server at the last change. Another one means that a standby was promoted since.';

COMMENT ON COLUMN sync_state.next_switch_at IS
    'From when on Plex may be asked again to switch to a member of a Plex Home, by any process.';
COMMENT ON COLUMN sync_state.erased_key IS
    'The key of the hashes in erased_accounts, encrypted. Null until the first person is erased.';
COMMENT ON COLUMN sync_state.claimed IS
    'Whether there ever was a person or an invitation. Until then, the first to sign in with Plex becomes the admin.';
COMMENT ON COLUMN sync_state.own_address IS
    'The address at which an admin last signed in or made an invitation. Null before.';

INSERT INTO sync_state DEFAULT VALUES;

CREATE TABLE failovers (
    timeline text NOT NULL,
    last_id  bigint NOT NULL,
    last_at  timestamptz NOT NULL,
    drawn_id bigint NOT NULL,
    CONSTRAINT failovers_pkey PRIMARY KEY (timeline, last_id)
);

COMMENT ON TABLE failovers IS
    'Where a standby that was promoted went on. What the old server wrote after that is lost, unless replication is '
    'synchronous, and a cursor of /api/changes that points to it is refused.';
COMMENT ON COLUMN failovers.timeline IS 'The timeline of the new server.';
COMMENT ON COLUMN failovers.last_id IS 'The last event that it had, as wishlist_events.id.';
COMMENT ON COLUMN failovers.last_at IS 'When that event happened.';
COMMENT ON COLUMN failovers.drawn_id IS
    'The new server gives out ids after this one. Those between are of lost events, or were never given out.';

CREATE FUNCTION current_timeline() RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END;

COMMENT ON FUNCTION current_timeline() IS
    'The timeline of the server. It grows when a standby is promoted. Null on a standby.';

CREATE FUNCTION next_generation() RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    known text;
    present CONSTANT text := current_timeline();
BEGIN
    UPDATE sync_state
       SET generation = greatest(generation + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
 RETURNING timeline INTO known;
    IF known IS DISTINCT FROM present THEN
        INSERT INTO failovers (timeline, last_id, last_at, drawn_id)
        SELECT present,
               coalesce(max(id), 0),
               coalesce((SELECT happened_at FROM wishlist_events ORDER BY id DESC LIMIT 1), '-infinity'),
               coalesce(pg_sequence_last_value('wishlist_events_id_seq'), 0)
          FROM wishlist_events
        HAVING known IS NOT NULL
            ON CONFLICT (timeline, last_id) DO NOTHING;
        UPDATE sync_state SET timeline = present;
    END IF;
END
$$;

COMMENT ON FUNCTION next_generation() IS
    'Raises sync_state.generation, and notes a failover. The row stays locked until the transaction ends, so writers '
    'follow one another.';

CREATE FUNCTION rfc3339(moment timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

COMMENT ON FUNCTION rfc3339(timestamptz) IS 'The time as the API writes it: UTC, in whole seconds.';

CREATE FUNCTION names_hidden() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN coalesce(current_setting('wishlist.names', true), '') = 'hidden';

COMMENT ON FUNCTION names_hidden() IS
    'Whether this transaction must show no names of people. hide_names() in Python sets it.';

CREATE FUNCTION shown_name(user_id integer, name text) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN names_hidden() THEN 'Person ' || user_id ELSE name END;

COMMENT ON FUNCTION shown_name(integer, text) IS 'The name of a person, or "Person 7" while names are hidden.';

CREATE FUNCTION shown_detail(sync_state text, sync_detail text) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN NOT names_hidden() THEN sync_detail
                WHEN sync_state = 'other_account' THEN 'This token is of another Plex account.'
                WHEN sync_state = 'hidden' THEN 'Plex shows no list of this person. It is empty, or not shared.'
                WHEN sync_state = 'via_unavailable' THEN 'The sign-in through which this list is read cannot be used.'
                WHEN sync_state = 'pin_rejected' THEN 'Plex does not accept the PIN of this person.'
                ELSE sync_detail
            END;

COMMENT ON FUNCTION shown_detail(text, text) IS
    'The sentence that explains a sync_state. While names are hidden, those that name people are replaced.';

CREATE FUNCTION via_gap(id integer, name text, active boolean, source text, sync_state text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN id IS NULL
                THEN 'The person through whom this list is read was erased. '
                     'Send a sign-in link, or choose another person as via.'
                WHEN NOT active
                THEN 'This list is read through ' || name || ', who is paused. Resume ' || name || '.'
                WHEN source <> 'own'
                THEN 'This list is read through ' || name || ', who has no sign-in of their own. '
                     'Send a sign-in link to ' || name || '.'
                WHEN sync_state IN ('token_rejected', 'token_unreadable', 'other_account')
                THEN 'This list is read through ' || name || ', whose token does not work. '
                     'Renew the token of ' || name || '.'
            END;

COMMENT ON FUNCTION via_gap(integer, text, boolean, text, text) IS
    'Why nobody can be read through this person, as a sentence. Null if their sign-in works. The arguments are '
    'columns of plex_users, all null if the person was erased.';

CREATE TABLE plex_users (
    id                integer GENERATED ALWAYS AS IDENTITY,
    name              text NOT NULL,
    plex_token        text,
    token_fingerprint text,
    token_masked      text,
    via_id            integer,
    via_source        text,
    plex_pin          text,
    source            text NOT NULL GENERATED ALWAYS AS (
                          CASE WHEN token_fingerprint IS NULL THEN via_source ELSE 'own' END) STORED,
    active            boolean NOT NULL DEFAULT true,
    paused_by_self    boolean NOT NULL DEFAULT false,
    admin             boolean NOT NULL DEFAULT false,
    plex_uuid         text,
    plex_username     text,
    account_checked   boolean NOT NULL DEFAULT false,
    account_read_at   timestamptz NOT NULL DEFAULT now(),
    sync_state        text NOT NULL DEFAULT 'never',
    sync_detail       text,
    last_attempt_at   timestamptz,
    last_success_at   timestamptz,
    next_sync_at      timestamptz NOT NULL DEFAULT now(),
    failures          integer NOT NULL DEFAULT 0,
    wait_until        timestamptz,
    list_etag         text,
    list_read_at      timestamptz,
    list_size         integer NOT NULL DEFAULT 0,
    list_changes      integer NOT NULL DEFAULT 0,
    held_removals     text,
    token_refused_at  timestamptz,
    list_note         text,
    miscount          text,
    odd_rows_since    timestamptz,
    missed            text[] NOT NULL DEFAULT '{}',
    wishlist_size     bigint NOT NULL DEFAULT 0,
    pinged_at         timestamptz,
    tell_available    boolean NOT NULL DEFAULT true,
    tell_trouble      boolean NOT NULL DEFAULT true,
    tell_new_wishes   boolean NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT plex_users_pkey PRIMARY KEY (id),
    CONSTRAINT plex_users_token_key UNIQUE (token_fingerprint),
    CONSTRAINT plex_users_account_key UNIQUE (plex_uuid),
    CONSTRAINT plex_users_via_fkey FOREIGN KEY (via_id) REFERENCES plex_users (id) ON DELETE SET NULL,
    CONSTRAINT plex_users_via_check CHECK (
        via_source IS NULL OR via_source IN ('home', 'friend') AND plex_uuid IS NOT NULL),
    CONSTRAINT plex_users_token_check CHECK (CASE source
        WHEN 'own' THEN plex_token IS NOT NULL AND token_masked IS NOT NULL
        WHEN 'home' THEN token_masked IS NULL
        ELSE plex_token IS NULL AND token_masked IS NULL END),
    CONSTRAINT plex_users_name_check CHECK (name <> ''),
    CONSTRAINT plex_users_paused_check CHECK (NOT (active AND paused_by_self)),
    CONSTRAINT plex_users_state_check CHECK (sync_state IN (
        'never', 'ok', 'held', 'no_watchlist', 'token_rejected', 'token_unreadable', 'other_account',
        'pin_rejected', 'hidden', 'via_unavailable', 'rate_limited', 'unreachable', 'plex_changed', 'error'))
) WITH (fillfactor = 35);  -- pages with room are soon cleaned up, and the log has little to repeat of them

CREATE UNIQUE INDEX plex_users_name_key ON plex_users (lower(name));
CREATE INDEX plex_users_via_idx ON plex_users (via_id);
CREATE INDEX plex_users_due_idx ON plex_users (next_sync_at) WHERE active;

COMMENT ON TABLE plex_users IS 'The people whose Plex watchlists are read.';
COMMENT ON COLUMN plex_users.id IS 'The number of the person in the API.';
COMMENT ON COLUMN plex_users.name IS 'The name shown. Unique, whatever the case of its letters.';
COMMENT ON COLUMN plex_users.plex_token IS
    'The Plex token with which the watchlist is read, encrypted and bound to this person. Never the token itself. For '
    'source home it is the one that the last switch gave, null before that. For source friend it is null.';
COMMENT ON COLUMN plex_users.token_fingerprint IS
    'A keyed hash of the person''s own token. It finds a person by their token without decrypting any. Null without one.';
COMMENT ON COLUMN plex_users.token_masked IS
    'What may be shown of the person''s own token: its last 4 characters, none of a short one. Null without one.';
COMMENT ON COLUMN plex_users.via_id IS
    'The person through whose sign-in this one was added, as plex_users.id. Null if there is none, or if they were erased.';
COMMENT ON COLUMN plex_users.via_source IS
    'What Plex shows this person as to the one of via_id: home (a member of their Plex Home) or friend. Null if this '
    'person was never read through somebody else.';
COMMENT ON COLUMN plex_users.plex_pin IS
    'The PIN that Plex wants to switch to this member of a Plex Home, encrypted and bound to this person. Null if none.';
COMMENT ON COLUMN plex_users.source IS
    'How the watchlist is read: own (with the person''s own token), home (switched to through another person) or '
    'friend (as another person''s friend).';
COMMENT ON COLUMN plex_users.active IS
    'False while the person is paused: their watchlist is not read and their wishes do not count.';
COMMENT ON COLUMN plex_users.paused_by_self IS
    'Whether a paused person paused themselves. Then signing in resumes them.';
COMMENT ON COLUMN plex_users.admin IS
    'Whether the person may do what the API_KEY may, once they have signed in with Plex.';
COMMENT ON COLUMN plex_users.plex_uuid IS 'The id of the Plex account. Null until Plex has told it.';
COMMENT ON COLUMN plex_users.plex_username IS 'The name of the Plex account. Null until Plex has told it.';
COMMENT ON COLUMN plex_users.account_checked IS 'Whether Plex has confirmed the account of the present token.';
COMMENT ON COLUMN plex_users.account_read_at IS 'When the name of the account was last read, once a day.';
COMMENT ON COLUMN plex_users.sync_state IS
    'How the last attempt to read the watchlist ended: ok, or what went wrong; never before the first attempt with '
    'the present token.';
COMMENT ON COLUMN plex_users.sync_detail IS 'A sentence that explains sync_state. Null if there is nothing to explain.';
COMMENT ON COLUMN plex_users.last_attempt_at IS 'When the watchlist was last asked for.';
COMMENT ON COLUMN plex_users.last_success_at IS
    'When a complete read was last stored, and so when the present wishes were last seen. A held read does not count.';
COMMENT ON COLUMN plex_users.next_sync_at IS 'When the watchlist is due to be read again.';
COMMENT ON COLUMN plex_users.failures IS
    'How many reads failed in a row in a way that is soon tried again: after 1, 2, 4 ... 32 minutes, then hourly.';
COMMENT ON COLUMN plex_users.wait_until IS
    'Until when Plex asked this person''s reads to wait, with Retry-After. Null if it did not.';
COMMENT ON COLUMN plex_users.list_etag IS
    'The ETag of the first page of the watchlist, with which Plex says "not modified". Null forces a full read.';
COMMENT ON COLUMN plex_users.list_read_at IS 'When the watchlist was last read in full.';
COMMENT ON COLUMN plex_users.list_size IS 'How many titles the watchlist had at the last full read.';
COMMENT ON COLUMN plex_users.list_changes IS
    'How often this service has changed the watchlist. A read that began before such a change is not stored.';
COMMENT ON COLUMN plex_users.held_removals IS
    'A digest of the removals that wait for a second read to confirm them. Null if none wait.';
COMMENT ON COLUMN plex_users.token_refused_at IS
    'When Plex first refused the present token. Null while Plex accepts it.';
COMMENT ON COLUMN plex_users.list_note IS
    'What there is to say of the list that was last read, though nothing waits for it. Null if nothing.';
COMMENT ON COLUMN plex_users.miscount IS
    'By how much Plex counts more rows than it shows, in total and in the sizes of pages. With a digest of the rows '
    'until a second read has shown the same. Null if they agree.';
COMMENT ON COLUMN plex_users.odd_rows_since IS
    'Since when the watchlist has rows that do not say which title they are. Null if it has none.';
COMMENT ON COLUMN plex_users.missed IS
    'The titles that the last full read missed while the watchlist had such rows. A second read removes them.';
COMMENT ON COLUMN plex_users.wishlist_size IS 'How many titles the person wants at present. Kept by triggers.';
COMMENT ON COLUMN plex_users.pinged_at IS
    'When the token was last used only to keep it alive, which happens once a day.';
COMMENT ON COLUMN plex_users.tell_available IS
    'Whether the person''s own addresses are told which titles that they want came to the media server.';
COMMENT ON COLUMN plex_users.tell_trouble IS
    'Whether the person''s own addresses are told when their watchlist cannot be read or is held.';
COMMENT ON COLUMN plex_users.tell_new_wishes IS
    'Whether the person''s own addresses are told of new wishes of the household.';
COMMENT ON COLUMN plex_users.created_at IS 'When the person was added.';
COMMENT ON COLUMN plex_users.updated_at IS 'When the name, the token or active was last changed by a request.';

CREATE FUNCTION is_retried(sync_state text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN sync_state IN ('unreachable', 'plex_changed', 'rate_limited', 'error');

COMMENT ON FUNCTION is_retried(text) IS
    'Whether a read that ended so is tried again within minutes. Every other one is read again after the interval, '
    'and a refused token is tried once a day.';

CREATE FUNCTION longest_wait(sync_state text, told_to_wait boolean, every interval) RETURNS interval
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN sync_state = 'token_rejected' THEN interval '1 day'
                WHEN told_to_wait THEN interval '1 hour'
                WHEN is_retried(sync_state) THEN least(every, interval '66 minutes')
                ELSE every
            END;

COMMENT ON FUNCTION longest_wait(text, boolean, interval) IS
    'How long a person waits for the next read, give or take a tenth, if all are read every so often. A due time that '
    'is further ahead is false: the clock was wrong, or the interval was longer.';

-- In PL/pgSQL, because the table is made later.
CREATE FUNCTION masked_addresses(person_id integer) RETURNS text[]
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN ARRAY(SELECT masked FROM news_addresses WHERE user_id = person_id ORDER BY id);
END
$$;

COMMENT ON FUNCTION masked_addresses(integer) IS 'What may be shown of the addresses at which a person gets messages.';

CREATE VIEW plex_user_reports AS
SELECT person.id,
       shown_name(person.id, person.name) AS name,
       person.source,
       CASE WHEN via.id IS NOT NULL
            THEN json_build_object('id', via.id, 'name', shown_name(via.id, via.name))
       END AS via,
       person.token_masked,
       person.active,
       person.admin,
       CASE WHEN NOT names_hidden() THEN person.plex_username END AS plex_username,
       person.sync_state,
       shown_detail(person.sync_state, person.sync_detail)
           || CASE WHEN person.active AND is_retried(person.sync_state)
                   THEN to_char(person.next_sync_at AT TIME ZONE 'UTC', '" Next try at "HH24:MI" UTC."')
                   ELSE ''
              END AS sync_detail,
       person.last_attempt_at,
       person.last_success_at,
       CASE WHEN person.active THEN person.next_sync_at END AS next_attempt_at,
       person.wishlist_size,
       masked_addresses(person.id) AS notify_urls_masked,
       person.created_at,
       person.updated_at
  FROM plex_users AS person
  LEFT JOIN plex_users AS via ON via.id = person.via_id;

COMMENT ON VIEW plex_user_reports IS 'People as the API shows them: without the token, and without names if hidden.';
COMMENT ON COLUMN plex_user_reports.id IS 'As plex_users.id.';
COMMENT ON COLUMN plex_user_reports.name IS 'As plex_users.name, or "Person 7" while names are hidden.';
COMMENT ON COLUMN plex_user_reports.source IS 'As plex_users.source.';
COMMENT ON COLUMN plex_user_reports.via IS
    'Id and name of the person in plex_users.via_id, as a JSON object. Null if there is none.';
COMMENT ON COLUMN plex_user_reports.token_masked IS 'As plex_users.token_masked.';
COMMENT ON COLUMN plex_user_reports.active IS 'As plex_users.active.';
COMMENT ON COLUMN plex_user_reports.admin IS 'As plex_users.admin.';
COMMENT ON COLUMN plex_user_reports.plex_username IS 'As plex_users.plex_username. Null while names are hidden.';
COMMENT ON COLUMN plex_user_reports.sync_state IS 'As plex_users.sync_state.';
COMMENT ON COLUMN plex_user_reports.sync_detail IS
    'As plex_users.sync_detail, without names while they are hidden, and with the time of the next try after a failure.';
COMMENT ON COLUMN plex_user_reports.last_attempt_at IS 'As plex_users.last_attempt_at.';
COMMENT ON COLUMN plex_user_reports.last_success_at IS 'As plex_users.last_success_at.';
COMMENT ON COLUMN plex_user_reports.next_attempt_at IS 'As plex_users.next_sync_at. Null while the person is paused.';
COMMENT ON COLUMN plex_user_reports.wishlist_size IS 'As plex_users.wishlist_size.';
COMMENT ON COLUMN plex_user_reports.notify_urls_masked IS
    'As news_addresses.masked, all of the person.';
COMMENT ON COLUMN plex_user_reports.created_at IS 'As plex_users.created_at.';
COMMENT ON COLUMN plex_user_reports.updated_at IS 'As plex_users.updated_at.';

CREATE VIEW sync_people AS
SELECT person.id,
       person.name,
       person.active,
       person.source,
       person.plex_token,
       person.plex_pin,
       person.via_id,
       person.via_source,
       via.name AS via_name,
       via.plex_token AS via_token,
       CASE WHEN person.source <> 'own'
            THEN via_gap(via.id, via.name, via.active, via.source, via.sync_state)
       END AS via_gap,
       person.plex_uuid,
       person.plex_username,
       person.account_checked,
       person.account_read_at,
       person.sync_state,
       person.sync_detail,
       person.last_attempt_at,
       person.list_etag,
       person.list_read_at,
       person.list_size,
       person.held_removals,
       person.list_changes,
       person.miscount,
       person.odd_rows_since,
       person.missed,
       person.failures
  FROM plex_users AS person
  LEFT JOIN plex_users AS via ON via.id = person.via_id;

COMMENT ON VIEW sync_people IS
    'People as the sync sees them, with the sign-in through which they are read. Tokens and PINs are encrypted.';
COMMENT ON COLUMN sync_people.id IS 'As plex_users.id.';
COMMENT ON COLUMN sync_people.name IS 'As plex_users.name.';
COMMENT ON COLUMN sync_people.active IS 'As plex_users.active.';
COMMENT ON COLUMN sync_people.source IS 'As plex_users.source.';
COMMENT ON COLUMN sync_people.plex_token IS 'As plex_users.plex_token.';
COMMENT ON COLUMN sync_people.plex_pin IS 'As plex_users.plex_pin.';
COMMENT ON COLUMN sync_people.via_id IS 'As plex_users.via_id.';
COMMENT ON COLUMN sync_people.via_source IS 'As plex_users.via_source.';
COMMENT ON COLUMN sync_people.via_name IS 'The name of the person in via_id.';
COMMENT ON COLUMN sync_people.via_token IS 'The token of the person in via_id.';
COMMENT ON COLUMN sync_people.via_gap IS
    'Why this person cannot be read through the one in via_id, see via_gap(). Null if nothing hinders it.';
COMMENT ON COLUMN sync_people.plex_uuid IS 'As plex_users.plex_uuid.';
COMMENT ON COLUMN sync_people.plex_username IS 'As plex_users.plex_username.';
COMMENT ON COLUMN sync_people.account_checked IS 'As plex_users.account_checked.';
COMMENT ON COLUMN sync_people.account_read_at IS 'As plex_users.account_read_at.';
COMMENT ON COLUMN sync_people.sync_state IS 'As plex_users.sync_state.';
COMMENT ON COLUMN sync_people.sync_detail IS 'As plex_users.sync_detail.';
COMMENT ON COLUMN sync_people.last_attempt_at IS 'As plex_users.last_attempt_at.';
COMMENT ON COLUMN sync_people.list_etag IS 'As plex_users.list_etag.';
COMMENT ON COLUMN sync_people.list_read_at IS 'As plex_users.list_read_at.';
COMMENT ON COLUMN sync_people.list_size IS 'As plex_users.list_size.';
COMMENT ON COLUMN sync_people.held_removals IS 'As plex_users.held_removals.';
COMMENT ON COLUMN sync_people.list_changes IS 'As plex_users.list_changes.';
COMMENT ON COLUMN sync_people.miscount IS 'As plex_users.miscount.';
COMMENT ON COLUMN sync_people.odd_rows_since IS 'As plex_users.odd_rows_since.';
COMMENT ON COLUMN sync_people.missed IS 'As plex_users.missed.';
COMMENT ON COLUMN sync_people.failures IS 'As plex_users.failures.';

CREATE TABLE erased_accounts (
    account_hash text NOT NULL,
    erased_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT erased_accounts_pkey PRIMARY KEY (account_hash)
);

COMMENT ON TABLE erased_accounts IS
    'The Plex accounts of people who were erased, so that nobody adds them again through somebody else by mistake.';
COMMENT ON COLUMN erased_accounts.account_hash IS
    'A keyed hash of the id of the Plex account. The key is sync_state.erased_key.';
COMMENT ON COLUMN erased_accounts.erased_at IS 'When the person was erased.';

CREATE TABLE plex_links (
    id                integer GENERATED ALWAYS AS IDENTITY,
    name              text,
    user_id           integer,
    pin_id            bigint NOT NULL,
    code              text NOT NULL,
    client_identifier text NOT NULL,
    status            text NOT NULL DEFAULT 'pending',
    detail            text,
    polled_at         timestamptz NOT NULL DEFAULT now(),
    expires_at        timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT plex_links_pkey PRIMARY KEY (id),
    CONSTRAINT plex_links_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT plex_links_person_check CHECK (name IS NOT NULL OR user_id IS NOT NULL),
    CONSTRAINT plex_links_status_check CHECK (status IN ('pending', 'linked', 'expired', 'failed'))
);

CREATE INDEX plex_links_pending_idx ON plex_links (polled_at) WHERE status = 'pending';
CREATE INDEX plex_links_user_idx ON plex_links (user_id);
CREATE INDEX plex_links_expires_idx ON plex_links (expires_at);

COMMENT ON TABLE plex_links IS
    'Sign-in links. Each waits until its person signs in at Plex, or until it expires.';
COMMENT ON COLUMN plex_links.id IS 'The number of the sign-in link in the API.';
COMMENT ON COLUMN plex_links.name IS 'The name of the person to add. Null if the link renews the token of a person.';
COMMENT ON COLUMN plex_links.user_id IS 'The person whose token is renewed, or who was added. Null until then.';
COMMENT ON COLUMN plex_links.pin_id IS 'The number of the PIN at Plex.';
COMMENT ON COLUMN plex_links.code IS 'The code of the PIN, part of the address that the person opens.';
COMMENT ON COLUMN plex_links.client_identifier IS
    'The client identifier that made the PIN, encrypted and bound to this sign-in: with it and the PIN anybody could '
    'fetch the token.';
COMMENT ON COLUMN plex_links.status IS 'pending, linked, expired or failed.';
COMMENT ON COLUMN plex_links.detail IS 'A sentence that says why it failed. Null otherwise.';
COMMENT ON COLUMN plex_links.polled_at IS 'When Plex was last asked whether the person has signed in.';
COMMENT ON COLUMN plex_links.expires_at IS 'When the link stops working.';
COMMENT ON COLUMN plex_links.created_at IS 'When the link was made.';

CREATE TABLE plex_sign_ins (
    browser_hash  text NOT NULL,
    pin_id        bigint NOT NULL,
    address       text NOT NULL,
    wanted        text NOT NULL,
    invitation_id integer,
    expires_at    timestamptz NOT NULL,
    CONSTRAINT plex_sign_ins_pkey PRIMARY KEY (browser_hash)
);

CREATE INDEX plex_sign_ins_expires_idx ON plex_sign_ins (expires_at);

COMMENT ON TABLE plex_sign_ins IS
    'Browsers that are at Plex to sign in here. Each row is deleted when its browser comes back with a token.';
COMMENT ON COLUMN plex_sign_ins.browser_hash IS
    'The SHA-256 of the random id in a cookie of the browser. The client identifier of the PIN is made of that id, so '
    'nobody can fetch the token with what is stored here.';
COMMENT ON COLUMN plex_sign_ins.pin_id IS 'The number of the PIN at Plex.';
COMMENT ON COLUMN plex_sign_ins.address IS 'The address of this service as the browser names it.';
COMMENT ON COLUMN plex_sign_ins.wanted IS 'The path of the page to show after the sign-in.';
COMMENT ON COLUMN plex_sign_ins.invitation_id IS 'The invitation that was opened. Null without one.';
COMMENT ON COLUMN plex_sign_ins.expires_at IS 'When the PIN expires.';

CREATE TABLE sessions (
    id_hash    text NOT NULL,
    role       text NOT NULL,
    user_id    integer,
    key_mac    text,
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id_hash),
    CONSTRAINT sessions_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT sessions_role_check CHECK (CASE role
        WHEN 'member' THEN user_id IS NOT NULL AND key_mac IS NULL
        ELSE role IN ('admin', 'reader') AND user_id IS NULL AND key_mac IS NOT NULL END)
);

CREATE INDEX sessions_user_idx ON sessions (user_id);
CREATE INDEX sessions_expires_idx ON sessions (expires_at);

COMMENT ON TABLE sessions IS 'The browsers that are signed in. Deleting a row signs its browser out.';
COMMENT ON COLUMN sessions.id_hash IS 'The SHA-256 of the random id in the cookie, in hex digits.';
COMMENT ON COLUMN sessions.role IS
    'member (a person who signed in with Plex), admin (with the API_KEY) or reader (with the READ_API_KEY). A member '
    'with the mark plex_users.admin counts as admin.';
COMMENT ON COLUMN sessions.user_id IS 'The person, as plex_users.id. Null for a key.';
COMMENT ON COLUMN sessions.key_mac IS
    'An HMAC of the id under the keys of that time. It no longer fits after a key was changed. Null for a person.';
COMMENT ON COLUMN sessions.expires_at IS 'When the session ends. Using it moves this to 30 days ahead, once a day.';

CREATE FUNCTION end_sessions() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM sessions WHERE user_id = NEW.id;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION end_sessions() IS 'Signs a person out everywhere.';

CREATE TRIGGER plex_users_end_sessions AFTER UPDATE OF active, admin ON plex_users
    FOR EACH ROW
    WHEN (OLD.active AND NOT NEW.active OR OLD.admin AND NOT NEW.admin)
    EXECUTE FUNCTION end_sessions();

CREATE FUNCTION claim_installation() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE sync_state SET claimed = true WHERE NOT claimed;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION claim_installation() IS 'Notes that a person or an invitation was added.';

CREATE TRIGGER plex_users_claim AFTER INSERT ON plex_users
    FOR EACH STATEMENT
    EXECUTE FUNCTION claim_installation();

CREATE TABLE invitations (
    id           integer GENERATED ALWAYS AS IDENTITY,
    address_hash text NOT NULL,
    name         text,
    user_id      integer,
    invited_by   integer,
    uses_left    integer NOT NULL,
    withdrawn_at timestamptz,
    expires_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT invitations_pkey PRIMARY KEY (id),
    CONSTRAINT invitations_address_key UNIQUE (address_hash),
    CONSTRAINT invitations_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT invitations_by_fkey FOREIGN KEY (invited_by) REFERENCES plex_users (id) ON DELETE SET NULL,
    CONSTRAINT invitations_uses_check CHECK (uses_left >= 0)
);

CREATE INDEX invitations_user_idx ON invitations (user_id);
CREATE INDEX invitations_by_idx ON invitations (invited_by);

COMMENT ON TABLE invitations IS
    'Invitations. Whoever opens the address of one may sign in with Plex and is added, or renews their token.';
COMMENT ON COLUMN invitations.id IS 'The number of the invitation in the API.';
COMMENT ON COLUMN invitations.address_hash IS
    'The SHA-256 of the random end of the address, in hexadecimal. The address itself is shown once and not stored.';
COMMENT ON COLUMN invitations.name IS 'What the person will be called. Null for what Plex calls them.';
COMMENT ON COLUMN invitations.user_id IS
    'The person whose token the invitation renews, as plex_users.id: only their account may use it. Null for anybody.';
COMMENT ON COLUMN invitations.invited_by IS
    'The person who made the invitation, as plex_users.id. Null if it was made with a key or by the service.';
COMMENT ON COLUMN invitations.uses_left IS 'How many people may still use it.';
COMMENT ON COLUMN invitations.withdrawn_at IS 'When it was withdrawn. Null if it was not.';
COMMENT ON COLUMN invitations.expires_at IS 'When it stops working.';
COMMENT ON COLUMN invitations.created_at IS 'When it was made.';

CREATE TRIGGER invitations_claim AFTER INSERT ON invitations
    FOR EACH STATEMENT
    EXECUTE FUNCTION claim_installation();
