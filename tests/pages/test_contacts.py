"""Adding people from somebody's Plex, by links and forms alone."""

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.household import API_KEY
from tests.support.neighbours import ANN, Neighbours
from tests.support.seen import Seen
from tests.support.visitors import visitor

PAGE = "/people/1/contacts"


@pytest.fixture
def keeper(neighbours: Neighbours) -> Iterator[FlaskClient]:
    """The browser of somebody with the API_KEY."""
    with visitor(neighbours.household, key=API_KEY) as browser:
        yield browser


def send(browser: FlaskClient, **form: object) -> str:
    """The text of the page that answers the form."""
    reply = browser.post(PAGE, data=form, headers={"Origin": "http://localhost"})
    assert reply.status_code == 200
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", reply.text))


def names(neighbours: Neighbours) -> list[str]:
    return [person["name"] for person in neighbours.api.get("/api/users").json["items"]]


def test_page_of_people_leads_to_those_of_each_sign_in(neighbours: Neighbours, keeper: FlaskClient) -> None:
    neighbours.add(neighbours.fay)

    page = keeper.get("/people").text

    assert re.findall("Add people from (.+?)’s Plex", page) == ["Ann"]
    assert PAGE in page


def test_contacts_are_in_three_groups_and_only_members_of_the_home_are_ticked(
    neighbours: Neighbours, keeper: FlaskClient
) -> None:
    page = Seen(keeper.get(PAGE))

    assert [legend.text for legend in page.all("legend")] == ["Plex Home", "Friends", "Others"]
    boxes = re.findall('<input type="checkbox" name="add" value="([^"]+)"([^>]*)>', keeper.get(PAGE).text)
    assert boxes == [
        (neighbours.ben.uuid, " checked"),
        (neighbours.kim.uuid, " checked"),
        (neighbours.fay.uuid, ""),
        (neighbours.oz.uuid, " disabled"),
    ]
    assert "Cannot be read: neither in the Plex Home nor a friend. Invite them." in keeper.get(PAGE).text
    assert re.findall('name="pin-([^"]+)"', keeper.get(PAGE).text) == [neighbours.ben.uuid]


def test_each_ticked_person_gets_a_line_that_says_what_happened(neighbours: Neighbours, keeper: FlaskClient) -> None:
    text = send(
        keeper,
        add=[neighbours.ben.uuid, neighbours.kim.uuid, neighbours.fay.uuid],
        **{f"pin-{neighbours.ben.uuid}": "0000"},
    )

    assert "Ben was not added. The pin is not the one of Ben. Plex refused it." in text
    assert "Kim was added. Their list is read within a minute." in text
    assert "Fay was added." in text
    assert "0000" not in text
    assert names(neighbours) == ["Ann", "Kim", "Fay"]


def test_right_pin_adds_a_protected_member(neighbours: Neighbours, keeper: FlaskClient) -> None:
    send(keeper, add=neighbours.ben.uuid, **{f"pin-{neighbours.ben.uuid}": "7391"})

    assert names(neighbours) == ["Ann", "Ben"]


def test_nobody_is_added_unless_ticked(neighbours: Neighbours, keeper: FlaskClient) -> None:
    assert "Nobody was ticked." in send(keeper)
    assert names(neighbours) == ["Ann"]


@pytest.mark.slow
def test_erased_person_is_not_ticked_and_comes_back_when_ticked(neighbours: Neighbours, keeper: FlaskClient) -> None:
    neighbours.add(neighbours.kim)
    neighbours.api.delete("/api/users/2?purge=true")

    shown = keeper.get(PAGE).text
    unasked = send(keeper, add=neighbours.kim.uuid)
    asked = send(keeper, again=neighbours.kim.uuid)

    assert f'name="again" value="{neighbours.kim.uuid}">' in shown
    assert "Was erased here. Tick to add them again." in shown
    assert "was not added. The person with this Plex account was erased here." in unasked
    assert "Kim was added." in asked


@pytest.mark.slow
def test_who_is_here_is_grey(neighbours: Neighbours, keeper: FlaskClient) -> None:
    neighbours.add(neighbours.kim)

    page = keeper.get(PAGE).text

    assert f'value="{neighbours.kim.uuid}" disabled' in page
    assert "Is here already." in page


def test_refusal_of_plex_is_a_page_with_the_sentence(neighbours: Neighbours, keeper: FlaskClient) -> None:
    del neighbours.plex.people[ANN]

    shown, sent = keeper.get(PAGE), keeper.post(PAGE, headers={"Origin": "http://localhost"})

    for reply in (shown, sent):
        assert reply.status_code == 422
        assert "Plex no longer accepts the token of Ann." in reply.text


def test_page_needs_the_api_key(neighbours: Neighbours) -> None:
    with visitor(neighbours.household) as stranger:
        shown = stranger.get(PAGE)
        sent = stranger.post(PAGE, data={"add": neighbours.kim.uuid}, headers={"Origin": "http://localhost"})

    assert shown.status_code != 200
    assert sent.status_code != 200
    assert names(neighbours) == ["Ann"]


@pytest.mark.slow
def test_cards_say_where_a_list_comes_from_and_what_would_improve_it(
    neighbours: Neighbours, keeper: FlaskClient
) -> None:
    neighbours.add(neighbours.kim)
    neighbours.add(neighbours.fay)

    page = keeper.get("/people").text

    assert "Read through Ann’s Plex Home. Invite them to sign in: then the list needs nobody else." in page
    assert "Read as Ann’s friend. Invite them to sign in: private titles, faster updates." in page


@pytest.mark.slow
def test_new_pin_is_saved_on_the_page(neighbours: Neighbours, keeper: FlaskClient) -> None:
    neighbours.add(neighbours.ben, pin="7391")
    neighbours.home.members[neighbours.ben.uuid].pin = "1111"

    wrong = keeper.post("/people/2", data={"pin": "2222"}, headers={"Origin": "http://localhost"})
    right = keeper.post("/people/2", data={"pin": "1111"}, headers={"Origin": "http://localhost"})

    assert (wrong.status_code, right.status_code) == (422, 303)
    assert "2222" not in wrong.text
