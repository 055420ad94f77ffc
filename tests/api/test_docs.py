"""The pages that show the API's description: from the service alone, under any path."""

import re

import pytest

from tests.support.household import make_config
from wishlist_service import __version__
from wishlist_service.api.docs import read_document
from wishlist_service.app import create_app


@pytest.mark.parametrize("url_base", ["", "/plex-wishlist"])
def test_the_docs_pages_and_the_document_come_from_the_service_alone(url_base: str) -> None:
    client = create_app(make_config(url_base=url_base)).test_client()

    page, same, document = (client.get(url_base + path) for path in ("/docs/", "/docs", "/openapi.json"))

    written = read_document()
    info = written["info"] | {"version": __version__}
    assert document.json == written | {"info": info, "servers": [{"url": url_base or "/"}]}
    assert (page.status_code, page.mimetype) == (same.status_code, same.mimetype) == (200, "text/html")
    assert set(re.findall("""["':]//([^/"']+)""", page.text + same.text)) <= {"localhost"}
    links = re.findall('(?:src|href)="(.+?)"', page.text)
    assert links == re.findall('(?:src|href)="(.+?)"', same.text)
    assert {link.rpartition(".")[2] for link in links} == {"css", "js", "png"}
    for link in links:
        with client.get(link) as asset:
            assert (asset.status_code, link.startswith(f"{url_base}/docs/")) == (200, True)
    assert re.findall('data-url="(.+?)"', page.text) == [f"{url_base}/openapi.json"]
    # left to its default, Swagger UI tells validator.swagger.io where the document is
    assert "validatorUrl: null" in client.get(f"{url_base}/docs/start.js").text
