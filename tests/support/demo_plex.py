"""The simulated Plex of `make demo`, as a program: prints its address and its people's tokens as one line of JSON.

Whoever is sent a link to sign in is Dora, and agrees after some seconds.
"""

import json
import time
from contextlib import suppress
from threading import Timer

from tests.support.fake_actions import Actions
from tests.support.fake_pins import Pin, Pins
from tests.support.fake_plex import FakePlex, row
from tests.support.fake_titles import Titles

AGREES_AFTER_SECONDS = 10
DORA = "demo-token-of-dora-0004"


def main() -> None:
    lantern = row("a11e", "The Lantern Keeper", year=2024)
    harbour = row("4a2b", "Harbour Lights", media_type="show", year=2021)
    harbour["Guid"].append({"id": "tvdb://81189"})
    orchard = row("0c4d", "An Orchard in Winter", year=1999)
    pier = row("51", "Café at the End of the Pier", year=2011)
    opera = row("77", "Untitled Space Opera", year=None)
    own = row("d0", "Dora's Own Film", year=2020)
    plex = FakePlex()
    titles = Titles(plex)
    titles.tell(lantern, summary="A lighthouse keeper finds letters that were never sent.", genres=("Drama", "Mystery"))
    titles.tell(harbour, summary="Five families share one harbour, and no secrets.", genres=("Drama", "Family"))
    titles.tell(orchard, summary="Two sisters sell the trees they grew up under.", genres=("Drama",))
    titles.tell(pier, summary="The last café of the season has one guest too many.", genres=("Comedy", "Romance"))
    titles.tell(opera, summary="The crew rehearses; the stars do not wait.", genres=("Science Fiction", "Comedy"))
    titles.tell(own, summary="Dora films her street for a year.", genres=("Documentary",))
    people = {"Ann": "demo-token-of-ann-0001", "Ben": "demo-token-of-ben-0002", "Cleo": "demo-token-of-cleo-0003"}
    plex.add(people["Ann"], username="ann", rows=[lantern, harbour, pier])
    plex.add(people["Ben"], username="ben", rows=[harbour, lantern, orchard])
    plex.add(people["Cleo"], username="cleo", rows=[lantern, opera])
    plex.add(DORA, username="dora", rows=[orchard, own])

    yesterday = int(time.time()) - 86400
    for token, person in plex.people.items():
        for place, each in enumerate(person.rows):
            titles.added(token, each, yesterday - place * 3600)

    def agree_soon(pin: Pin) -> None:
        timer = Timer(AGREES_AFTER_SECONDS, pins.agree, (pin.code, DORA))
        timer.daemon = True
        timer.start()

    pins = Pins(plex, on_made=agree_soon)
    Actions(plex)
    print(json.dumps({"url": plex.url, "people": people}), flush=True)
    with suppress(KeyboardInterrupt):
        plex.serve_forever()


if __name__ == "__main__":
    main()
