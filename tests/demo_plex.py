"""The simulated Plex of `make demo`, as a program: prints its address and its people's tokens as one line of JSON.

Whoever is sent a link to sign in is Dora, and agrees after some seconds.
"""

import json
from contextlib import suppress
from threading import Timer

from fake_actions import Actions
from fake_pins import Pin, Pins
from fake_plex import FakePlex, row

AGREES_AFTER_SECONDS = 10
DORA = "demo-token-of-dora-0004"


def main() -> None:
    lantern = row("a11e", "The Lantern Keeper", year=2024)
    harbour = row("4a2b", "Harbour Lights", media_type="show", year=2021)
    orchard = row("0c4d", "An Orchard in Winter", year=1999)
    plex = FakePlex()
    people = {"Ann": "demo-token-of-ann-0001", "Ben": "demo-token-of-ben-0002", "Cleo": "demo-token-of-cleo-0003"}
    plex.add(
        people["Ann"], username="ann", rows=[lantern, harbour, row("51", "Café at the End of the Pier", year=2011)]
    )
    plex.add(people["Ben"], username="ben", rows=[harbour, lantern, orchard])
    plex.add(people["Cleo"], username="cleo", rows=[lantern, row("77", "Untitled Space Opera", year=None)])
    plex.add(DORA, username="dora", rows=[orchard, row("d0", "Dora's Own Film", year=2020)])

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
