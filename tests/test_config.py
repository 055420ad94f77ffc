"""Settings from the environment, .env and files: every error at once with its fix, and no secret in any message."""

from collections.abc import Iterator, MutableMapping
from os import environ
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from tests.support.settings import ENOUGH, OPTIONAL, config, faults
from wishlist_service.config import Config, ConfigError, load_config


def test_required_settings_alone_are_enough() -> None:
    assert config() == Config(
        database_url="postgresql://wishlist:db-pass-9876@localhost/wishlist",
        api_key="key-0123456789abcdef",
        token_encryption_keys=("passphrase-0123456789",),
        sync_interval_hours=6,
        log_level="INFO",
        url_base="",
        trusted_proxies=0,
        plex_discover_url="https://discover.provider.plex.tv",
        plex_tv_url="https://plex.tv",
        page_pause_seconds=1,
        plex_timeout_seconds=20,
        port=8000,
        web_threads=4,
        web_workers=1,
        backup_dir=Path("backup"),
    )


def test_every_setting_is_read() -> None:
    found = config(**OPTIONAL)

    assert (found.sync_interval_hours, found.page_pause_seconds, found.plex_timeout_seconds) == (0.5, 0, 2.5)
    assert (found.plex_language, found.keep_runs_days) == ("pt-BR", 30)
    assert (found.log_level, found.url_base, found.trusted_proxies) == ("DEBUG", "/wishes", 1)
    assert found.public_url == "https://wishes.example.org"
    assert found.allowed_hosts == ("nas.example.org", "*.example.net", "other.example.com")
    assert (found.plex_discover_url, found.plex_tv_url) == ("http://127.0.0.1:1234", "http://127.0.0.1:5678")
    assert (found.read_api_key, found.names) == ("read-key-0123456789", "hidden")
    assert (found.plex_server_url, found.plex_server_token) == ("http://192.168.1.10:32400", "short-token")
    assert (found.plex_collection, found.remove_when_available, found.remove_after_sync) == ("Films", True, True)
    assert found.notify_urls == ("json://example.org/x", "ntfy://topic")
    assert (found.port, found.web_threads, found.web_workers) == (80, 8, 2)
    assert found.backup_dir == Path("/srv/wish list")


@pytest.mark.parametrize("text", ["de", "en", "pt-BR", "zh-TW"])
def test_language_may_have_a_country(text: str) -> None:
    assert config(PLEX_LANGUAGE=text).plex_language == text


@pytest.mark.parametrize("text", ["german", "DE", "de_DE", "de-de", "de-", "d", "de, en", "de;q=0.5", "12"])
def test_anything_else_is_no_language(text: str) -> None:
    assert faults(PLEX_LANGUAGE=text) == [f"PLEX_LANGUAGE must be a language like de or pt-BR, not {text!r}"]


def test_every_fault_is_told_at_once_with_its_cure() -> None:
    make_one = "Make one with: openssl rand -hex 32"
    expected = {
        ("DATABASE_URL", ""): "is missing. Example: postgresql://wishlist@localhost/wishlist",
        ("API_KEY", "short"): f"is too short: use 16 characters or more. {make_one}",
        ("TOKEN_ENCRYPTION_KEY", "brief"): f"is too short: use 16 characters or more. {make_one}",
        ("READ_API_KEY", "tiny"): f"is too short: use 16 characters or more. {make_one}",
        ("NAMES", "some"): "must be one of all, hidden, not 'some'",
        ("PLEX_SYNC_INTERVAL_HOURS", "often"): "must be a number from 0.01 to 8760, not 'often'",
        ("KEEP_RUNS_DAYS", "0"): "must be a whole number from 1 to 3650, not '0'",
        ("LOG_LEVEL", "LOUD"): "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'LOUD'",
        ("URL_BASE", "/a b"): "must be a plain path like /plex-wishlist, not '/a b'",
        ("TRUSTED_PROXIES", "one"): "must be a whole number from 0 to 10, not 'one'",
        ("PUBLIC_URL", "wishes"): "must be an address like https://wishes.example.org",
        ("ALLOWED_HOSTS", "https://x.test/"): "must be host names like nas.example.org or *.example.org, not "
        "'https://x.test/'",
        ("PLEX_DISCOVER_URL", "here"): "must be an address like https://discover.provider.plex.tv",
        ("PLEX_TV_URL", "ftp://x"): "must be an address like https://plex.tv",
        ("PLEX_PAGE_PAUSE_SECONDS", "-1"): "must be a number from 0 to 60, not '-1'",
        ("PLEX_TIMEOUT_SECONDS", "0"): "must be a number from 1 to 300, not '0'",
        ("PLEX_LANGUAGE", "German"): "must be a language like de or pt-BR, not 'German'",
        ("PLEX_SERVER_URL", "nas"): "must be an address like http://192.168.1.10:32400",
        ("PLEX_SERVER_TOKEN", "a b"): "must have visible ASCII characters only",
        ("PLEX_COLLECTION", "a\nb"): "must be one line of at most 100 characters, not 'a\\nb'",
        ("REMOVE_WHEN_AVAILABLE", "yes"): "must be true or false, not 'yes'",
        ("REMOVE_AFTER_SYNC", "1"): "must be true or false, not '1'",
        ("PORT", "65536"): "must be a whole number from 1 to 65535, not '65536'",
        ("WEB_THREADS", "0"): "must be a whole number from 1 to 64, not '0'",
        ("WEB_WORKERS", "17"): "must be a whole number from 1 to 16, not '17'",
        ("BACKUP_DIR", "a\0b"): "must be the path of a directory, not 'a\\x00b'",
    }

    with pytest.raises(ConfigError) as caught:
        Config.from_env(dict(expected.keys()))

    assert str(caught.value).splitlines() == [
        "Invalid settings (environment or .env):",
        *(f"  - {name} {sentence}" for (name, _), sentence in expected.items()),
    ]


@pytest.mark.parametrize("name", ["PLEX_SERVER_TOKEN", "PLEX_COLLECTION", "REMOVE_WHEN_AVAILABLE"])
def test_setting_that_needs_the_media_server_says_so(name: str) -> None:
    assert faults(**{name: OPTIONAL[name]}) == [f"{name} needs PLEX_SERVER_URL, too"]
    assert faults(PLEX_SERVER_URL="http://nas:32400") == ["PLEX_SERVER_URL needs PLEX_SERVER_TOKEN, too"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "API_KEY", "TOKEN_ENCRYPTION_KEY"])
@pytest.mark.parametrize("value", ["", "   "])
def test_required_setting_that_is_empty_is_missing(name: str, value: str) -> None:
    assert [fault.partition(".")[0] for fault in faults(**{name: value})] == [f"{name} is missing"]


@pytest.mark.parametrize("value", ["", "  "])
def test_optional_setting_that_is_empty_has_its_default(value: str) -> None:
    assert config(**dict.fromkeys(OPTIONAL, value)) == config()


@pytest.mark.parametrize("name", ["API_KEY", "TOKEN_ENCRYPTION_KEY"])
def test_secret_needs_sixteen_characters(name: str) -> None:
    assert faults(**{name: "abcdefgh12345678"}) == []
    assert "16 characters" in faults(**{name: "x" * 15})[0]
    assert "16 characters" in faults(**{name: " " * 9 + "x" * 15 + " " * 9})[0]


def test_encryption_keys_are_separated_by_commas_and_each_is_checked() -> None:
    found = config(TOKEN_ENCRYPTION_KEY=" first-0123456789 ,, second-0123456789,")
    wrong = faults(TOKEN_ENCRYPTION_KEY="first-0123456789,short,brief")

    assert found.token_encryption_keys == ("first-0123456789", "second-0123456789")
    assert [error.split(":")[0] for error in wrong] == ["TOKEN_ENCRYPTION_KEY is too short (key 2, 3)"]
    assert faults(TOKEN_ENCRYPTION_KEY=" , ,")[0].startswith("TOKEN_ENCRYPTION_KEY is missing")


@pytest.mark.parametrize(("text", "hours"), [("0.01", 0.01), ("0.5", 0.5), ("6", 6), (" 12.25 ", 12.25), (".5", 0.5)])
def test_hours_may_have_decimals(text: str, hours: float) -> None:
    assert config(PLEX_SYNC_INTERVAL_HOURS=text).sync_interval_hours == hours


@pytest.mark.parametrize(
    "text", ["0", "0.009", "-6", "8761", "nan", "inf", "Infinity", "1,5", "6h", "1_0", "٦", "1e1", "6."]
)
def test_hours_out_of_range_or_no_number_are_refused(text: str) -> None:
    assert faults(PLEX_SYNC_INTERVAL_HOURS=text) == [
        f"PLEX_SYNC_INTERVAL_HOURS must be a number from 0.01 to 8760, not {text!r}"
    ]


@pytest.mark.parametrize(
    "text", ["+80", "-80", "8_0", "80.0", "8e1", "0x50", "٨٠", "８０", "²", "8 0", "9" * 5000, "80\x00"]
)
def test_whole_number_is_plain_digits(text: str) -> None:
    assert faults(PORT=text) == [f"PORT must be a whole number from 1 to 65535, not {text!r}"]


@pytest.mark.parametrize("text", ["a/b-c", "/a/b-c", "/a/b-c/", "//a/b-c//", " /a/b-c "])
def test_url_base_in_any_spelling_is_the_same(text: str) -> None:
    assert config(URL_BASE=text).url_base == "/a/b-c"
    assert config(URL_BASE="/").url_base == ""


@pytest.mark.parametrize(
    "text", ["/a b", "/a?b", "/a#b", "/ä", "/a%20b", "https://example.test/a", "/<b>", '/"', "/a//b", "/a/../b"]
)
def test_url_base_that_is_no_plain_path_is_refused(text: str) -> None:
    assert len(faults(URL_BASE=text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("plex.tv", "//plex.tv", "ftp://plex.tv", "https://", "https://plex.tv?a=1", "https://plex.tv#a"),
        *("http://[", "http://h:abc", "http://a b", "http://user:s3cret@plex.tv"),
    ],
)
def test_plex_address_must_be_one_of_the_web(text: str) -> None:
    found = faults(PLEX_TV_URL=text, PLEX_DISCOVER_URL=text)

    assert len(found) == 2
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("name", [*ENOUGH, "URL_BASE", "PLEX_TV_URL", "LOG_LEVEL"])
def test_bytes_that_are_no_text_are_a_fault_and_no_traceback(name: str) -> None:
    found = faults(**{name: ENOUGH.get(name, "") + "\udcff-0123456789abcdef"})

    assert f"{name} has bytes that are not UTF-8" in found


@pytest.mark.parametrize("key", ["ü" * 16, "tab\tin-the-middle-0123"])
def test_key_that_no_header_could_carry_is_refused(key: str) -> None:
    assert "ASCII" in faults(API_KEY=key)[0]


@pytest.mark.parametrize("url", ["postgresql://a:s3cret%zz@b/c", "postgres://a:s3cret@b/c?d=1", "mysql://a:s3cret@b/c"])
def test_database_address_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(DATABASE_URL=url)

    assert "DATABASE_URL" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_database_address_may_use_either_scheme(scheme: str) -> None:
    assert faults(DATABASE_URL=f"{scheme}://ann:p%40ss@/db?host=/var/run/postgresql") == []


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=12))
@pytest.mark.parametrize("name", ["API_KEY", "TOKEN_ENCRYPTION_KEY"])
def test_short_secret_never_passes_nor_is_repeated(name: str, text: str) -> None:
    marked = f"§{text}§"

    found = faults(**{name: marked})

    assert found
    assert all(marked.strip() not in fault for fault in found)


def test_settings_printed_show_no_secret() -> None:
    printed = repr(config())

    assert "sync_interval_hours=6" in printed
    assert all(secret not in printed for secret in ("db-pass-9876", *list(ENOUGH.values())))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MutableMapping[str, str]]:
    """An empty environment in an empty working directory; load_config() may write into it."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(environ, clear=True):
        yield environ


def test_settings_are_read_from_the_file_and_the_environment_wins(
    environment: MutableMapping[str, str], tmp_path: Path
) -> None:
    lines = [f"{name}={value}" for name, value in ENOUGH.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "PORT=1111", "WEB_THREADS=3", "# a comment"]))
    environment["PORT"] = "2222"

    found = load_config()

    assert (found.api_key, found.port, found.web_threads) == (ENOUGH["API_KEY"], 2222, 3)


def test_environment_alone_is_enough(environment: MutableMapping[str, str]) -> None:
    environment.update(ENOUGH)

    assert load_config() == config()


def test_faults_end_the_program_with_the_message_and_no_traceback(
    environment: MutableMapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("API_KEY=short\n")

    with pytest.raises(SystemExit) as caught:
        load_config()

    assert isinstance(caught.value.code, str)
    assert caught.value.code.startswith("Invalid settings")
    assert [line.split()[1] for line in caught.value.code.splitlines()[1:]] == list(ENOUGH)


def test_empty_variable_counts_as_unset_and_leaves_the_file_its_say(
    environment: MutableMapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in ENOUGH.items()))
    environment["API_KEY"] = ""

    assert load_config() == config()


def test_file_that_is_no_text_is_told_in_a_sentence(environment: MutableMapping[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("API_KEY=\u00e9".encode("latin-1"))

    with pytest.raises(SystemExit, match=r"\.env cannot be read"):
        load_config()


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "API_KEY", "TOKEN_ENCRYPTION_KEY", "READ_API_KEY", "PLEX_SERVER_TOKEN", "NOTIFY_URLS"]
)
def test_secret_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    told = ENOUGH | {
        name: OPTIONAL[name] for name in ("READ_API_KEY", "PLEX_SERVER_URL", "PLEX_SERVER_TOKEN", "NOTIFY_URLS")
    }
    file.write_text(f"{told[name]}\n")

    assert Config.from_env(told | {name: "", f"{name}_FILE": str(file)}) == Config.from_env(told)


def test_setting_itself_wins_over_its_file(tmp_path: Path) -> None:
    assert config(API_KEY_FILE=str(tmp_path / "nothing")).api_key == ENOUGH["API_KEY"]


def test_file_of_a_secret_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    said = faults(API_KEY="", API_KEY_FILE=str(tmp_path / "nothing"))

    assert said[0] == "API_KEY_FILE names a file that cannot be read: FileNotFoundError"


def test_password_of_its_own_needs_no_encoding(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss w'ord/\\\n")

    found = conninfo_to_dict(
        config(DATABASE_URL="postgresql://ann@db/x", DATABASE_PASSWORD_FILE=str(file)).database_url
    )

    assert found == {"user": "ann", "password": "p@ss w'ord/\\", "host": "db", "dbname": "x"}


def test_reading_key_must_be_another_one() -> None:
    said = faults(READ_API_KEY=ENOUGH["API_KEY"])

    assert said == ["READ_API_KEY must differ from API_KEY. Make one with: openssl rand -hex 32"]


@pytest.mark.parametrize("address", ["u:p@ss@host/x", "u:p@ss/w@host/x", "u:pa/ss@host/x"])
def test_password_that_spills_out_of_its_place_is_a_fault_that_does_not_show_it(address: str) -> None:
    said = faults(DATABASE_URL=f"postgresql://{address}")

    assert [fault.split()[0] for fault in said] == ["DATABASE_URL"]
    assert "ss" not in said[0].replace("special", "").replace("password", "")
