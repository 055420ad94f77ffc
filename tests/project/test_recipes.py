"""docs/recipes.md: what people copy into other programs works there."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from tests.support.consumers import kometa_address, path_of
from tests.support.documents import PAGES, section
from tests.support.fake_plex import row
from tests.support.household import Household
from wishlist_service.app import close_app, create_app, open_app

PAGE = PAGES["docs/recipes.md"]
BASES = {"/arr/radarr": "/arr/radarr/api/v3/movie", "/arr/sonarr": "/arr/sonarr/api/v3/series"}
READ_KEY = "read-key-0123456789"


def test_every_address_in_a_recipe_answers(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta", media_type="show")])
    household.sync()
    app = create_app(replace(household.config, read_api_key=READ_KEY))
    open_app(app)
    addresses = set(re.findall(r"http://nas:8000[^\s`]+", PAGE))

    for address in addresses:
        assert "kometa" not in address or kometa_address(address) == address
        path = path_of(address.replace("apikey=KEY", f"apikey={READ_KEY}"))
        reply = app.test_client().get(
            BASES.get(path, path), headers={} if READ_KEY in path else {"X-API-Key": READ_KEY}
        )
        assert reply.status_code == 200, address
    assert {urlsplit(address).path.split("/")[1] for address in addresses} == {"api", "arr", "docs", "export", "feeds"}
    close_app(app)


def test_every_file_to_copy_is_yaml() -> None:
    reader = YAML(typ="safe")
    reader.constructor.add_constructor("!secret", lambda constructor, node: constructor.construct_scalar(node))
    files = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)

    assert [*map(reader.load, files)]
    assert len(files) == 3


def test_recipes_warn_of_what_deletes_files() -> None:
    radarr = section("docs/recipes.md", "## Radarr")

    assert re.search(r"Clean Library Level.*Disabled", radarr)
