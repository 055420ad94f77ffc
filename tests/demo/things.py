"""Motifs of the drawn posters: things and animals."""

from math import cos, pi, sin
from random import Random

from tests.demo.drawing import Palette, box, circle, hills, line, shape, waves


def record(p: Palette, random: Random) -> str:
    x, y = random.uniform(190, 230), random.uniform(370, 390)
    rings = "".join(circle(x, y, r, "none", f'stroke="{p.near}" stroke-width="1.5"') for r in range(64, 150, 11))
    return (
        circle(x, y, 158, p.dark) + rings + circle(x, y, 52, p.near) + circle(x, y, 44, p.glow)
        + circle(x, y, 7, p.dark)
        + line("M372 220L360 330L300 410", p.far, 9) + circle(372, 220, 18, p.far)
    )  # fmt: skip


def umbrella(p: Palette, random: Random) -> str:
    rain = "".join(
        line(f"M{x:g} {y:g}l-8 26", p.glow, 2.5, 'opacity=".7"')
        for x, y in ((random.uniform(0, 400), random.uniform(190, 560)) for _ in range(60))
    )
    canopy = shape(
        "M70 400A130 130 0 0 1 330 400q-22 -22 -43 0q-22 -22 -44 0q-21 -22 -43 0"
        "q-22 -22 -43 0q-22 -22 -44 0q-21 -22 -43 0Z",
        p.near,
    )
    return (
        rain
        + line("M200 272V252M200 398V510q0 26 -24 26t-24 -22", p.dark, 9)
        + canopy
        + shape("M157 400Q150 310 200 270Q250 310 243 400Q222 378 200 400Q178 378 157 400Z", p.far)
    )


def stairs(p: Palette, random: Random) -> str:
    steps = "".join(box(40 + n * 46, 540 - n * 46, 400, 46, p.near if n % 2 else p.far) for n in range(8))
    walker = circle(252, 272, 12, p.dark) + shape("M240 288H264L268 334H258L252 312L246 334H236Z", p.dark)
    return circle(96, 290, 54, p.glow) + steps + walker + box(0, 560, 400, 40, p.dark)


def doorway(p: Palette, random: Random) -> str:
    arches = "".join(
        shape(f"M{200 - w} 560V{300 + d}A{w} {w} 0 0 1 {200 + w} {300 + d}V560Z", fill)
        for w, d, fill in ((130, 60, p.far), (100, 80, p.near), (70, 100, p.dark), (44, 122, p.glow))
    )
    return (
        arches
        + shape("M156 560H244L330 600H70Z", p.glow, 'opacity=".6"')
        + box(0, 558, 86, 42, p.dark)
        + box(314, 558, 86, 42, p.dark)
        + circle(200, 500, 10, p.dark)
        + shape("M190 512H210L214 560H186Z", p.dark)
    )


def leaves(p: Palette, random: Random) -> str:
    drawn = ""
    for n in range(15):
        x, y, turn, size = (
            random.uniform(20, 380),
            random.uniform(240, 590),
            random.uniform(0, 360),
            random.uniform(0.7, 1.5),
        )
        fill = (p.far, p.near, p.dark)[n % 3]
        drawn += f'<g transform="translate({x:g} {y:g}) rotate({turn:g}) scale({size:g})">'
        drawn += (
            shape("M0 -60C34 -30 34 20 0 56C-34 20 -34 -30 0 -60Z", fill)
            + line("M0 -40V56", p.glow, 2, 'opacity=".6"')
            + "</g>"
        )
    return drawn


def balloon(p: Palette, random: Random) -> str:
    x, y = random.uniform(170, 240), random.uniform(300, 320)
    body = circle(x, y, 84, p.near) + shape(f"M{x - 80:g} {y + 28:g}Q{x:g} {y + 150:g} {x + 80:g} {y + 28:g}Z", p.near)
    stripes = shape(
        f"M{x - 30:g} {y - 78:g}Q{x - 66:g} {y:g} {x - 14:g} {y + 88:g}H{x + 14:g}"
        f"Q{x + 66:g} {y:g} {x + 30:g} {y - 78:g}Q{x:g} {y - 90:g} {x - 30:g} {y - 78:g}Z",
        p.glow,
    )
    basket = line(
        f"M{x - 26:g} {y + 76:g}L{x - 14:g} {y + 128:g}M{x + 26:g} {y + 76:g}L{x + 14:g} {y + 128:g}", p.dark, 3
    )
    return (
        body
        + stripes
        + basket
        + box(x - 18, y + 126, 36, 28, p.dark, 'rx="4"')
        + hills(520, 70, p.far, random)
        + hills(560, 40, p.dark, random)
    )


def fish(p: Palette, random: Random) -> str:
    drawn = waves(250, p.far) + waves(330, p.near, 66)
    for n in range(7):
        x, y, size = random.uniform(60, 340), 350 + n * 34, random.uniform(0.6, 1.25)
        fill = p.glow if n == 3 else p.far if n % 2 else p.dark
        flip = -1 if n % 2 else 1
        drawn += f'<g transform="translate({x:g} {y:g}) scale({size * flip:g} {size:g})">'
        drawn += shape("M-46 0C-20 -30 24 -26 44 0C24 26 -20 30 -46 0Z", fill) + shape("M36 0L66 -20V20Z", fill)
        drawn += circle(-26, -5, 4, p.near) + "</g>"
    return drawn


def birds(p: Palette, random: Random) -> str:
    flock = "".join(
        line(f"M{x:g} {y:g}q{s:g} {-s:g} {2 * s:g} 0q{s:g} {-s:g} {2 * s:g} 0", p.dark, s / 4)
        for x, y, s in ((random.uniform(20, 320), random.uniform(230, 430), random.uniform(9, 22)) for _ in range(13))
    )
    return circle(200, 340, 110, p.glow) + flock + hills(500, 90, p.far, random) + hills(550, 60, p.near, random)


def teacup(p: Palette, random: Random) -> str:
    cup = shape("M110 380H290C290 460 260 500 200 500S110 460 110 380Z", p.near) + line(
        "M286 400q52 -6 46 34t-66 36", p.near, 14
    )
    steam = "".join(line(f"M{x} 350q-22 -28 0 -56t0 -56", p.glow, 8, 'opacity=".85"') for x in (160, 200, 240))
    return (
        steam
        + cup
        + shape("M70 510H330L300 532H100Z", p.far)
        + box(0, 532, 400, 68, p.dark)
        + circle(170, 430, 12, p.glow)
        + circle(205, 446, 12, p.glow)
        + circle(238, 426, 12, p.glow)
    )


def lantern(p: Palette, random: Random) -> str:
    halo = "".join(circle(200, 390, r, p.glow, 'opacity=".14"') for r in (190, 150, 112))
    frame = shape("M150 320H250L266 470H134Z", p.dark) + shape("M164 334H236L248 456H152Z", p.glow)
    return (
        halo
        + line("M166 306q0 -52 34 -52t34 52", p.dark, 8)
        + shape("M140 322L166 296H234L260 322Z", p.dark)
        + frame
        + shape("M200 380q30 34 0 60q-30 -26 0 -60Z", p.near)
        + box(122, 468, 156, 18, p.dark)
        + hills(560, 50, p.dark, random)
    )


def clock(p: Palette, random: Random) -> str:
    marks = "".join(
        line(
            f"M{200 + 108 * sin(n * pi / 6):g} {390 - 108 * cos(n * pi / 6):g}"
            f"L{200 + 124 * sin(n * pi / 6):g} {390 - 124 * cos(n * pi / 6):g}",
            p.dark,
            7 if n % 3 == 0 else 3,
        )
        for n in range(12)
    )
    hour, minute = random.uniform(0, 2 * pi), random.uniform(0, 2 * pi)
    hands = line(f"M200 390L{200 + 62 * sin(hour):g} {390 - 62 * cos(hour):g}", p.dark, 10)
    hands += line(f"M200 390L{200 + 98 * sin(minute):g} {390 - 98 * cos(minute):g}", p.near, 6)
    return circle(200, 390, 156, p.near) + circle(200, 390, 138, p.glow) + marks + hands + circle(200, 390, 11, p.dark)


def kite(p: Palette, random: Random) -> str:
    x, y = random.uniform(210, 270), random.uniform(280, 310)
    return (
        circle(80, 330, 50, p.glow, 'opacity=".7"')
        + shape(f"M{x:g} {y - 74:g}L{x + 56:g} {y:g}L{x:g} {y + 92:g}L{x - 56:g} {y:g}Z", p.near)
        + shape(f"M{x:g} {y - 74:g}L{x:g} {y + 92:g}L{x - 56:g} {y:g}Z", p.far)
        + line(f"M{x:g} {y + 92:g}q-50 30 -30 70t-60 60", p.dark, 3) + hills(520, 80, p.far, random)
        + hills(560, 50, p.dark, random) + circle(150, 500, 10, p.dark) + shape("M140 512H160L164 560H136Z", p.dark)
    )  # fmt: skip


def greenhouse(p: Palette, random: Random) -> str:
    panes = "".join(line(f"M{x} 360V530", p.dark, 3) for x in range(100, 301, 40)) + line(
        "M80 420H320M80 476H320", p.dark, 3
    )
    plants = "".join(
        line(
            f"M{x} 530q{random.uniform(-24, 24):g} -50 {random.uniform(-14, 14):g} -{random.uniform(70, 150):g}",
            p.near,
            9,
        )
        for x in range(100, 310, 18)
    )
    return (
        circle(300, 270, 44, p.glow)
        + hills(470, 80, p.far, random)
        + shape("M80 360L200 280L320 360V530H80Z", p.glow, 'opacity=".85"')
        + plants
        + panes
        + line("M80 530V360L200 280L320 360V530M80 360H320", p.dark, 6)
        + box(0, 530, 400, 70, p.dark)
    )


def piano(p: Palette, random: Random) -> str:
    white = "".join(box(20 + n * 46, 330, 42, 240, p.glow, 'rx="4"') for n in range(8))
    black = "".join(box(50 + n * 46, 330, 26, 140, p.dark, 'rx="3"') for n in (0, 1, 3, 4, 5, 7) if n < 7)
    return (
        box(0, 300, 400, 300, p.dark)
        + white
        + black
        + box(20 + random.randrange(1, 7) * 46, 480, 42, 90, p.near, 'rx="4" opacity=".8"')
    )


def windows(p: Palette, random: Random) -> str:
    drawn = box(40, 230, 320, 370, p.near)
    lit = random.randrange(12)
    for n in range(12):
        x, y = 66 + n % 3 * 98, 254 + n // 3 * 84
        drawn += box(x, y, 72, 62, p.glow if n == lit else p.dark)
        if n == lit:
            drawn += circle(x + 36, y + 34, 12, p.dark) + box(x + 22, y + 46, 28, 16, p.dark)
        else:
            drawn += line(f"M{x + 36} {y}V{y + 62}", p.near, 3)
    return drawn + box(30, 222, 340, 14, p.dark)


def letter(p: Palette, random: Random) -> str:
    turn = random.uniform(-9, 9)
    return (
        f'<g transform="rotate({turn:g} 200 400)">' + box(60, 300, 280, 190, p.glow, 'rx="4"')
        + line("M60 306L200 410L340 306", p.far, 5) + line("M64 484L160 384M336 484L240 384", p.far, 4)
        + circle(200, 408, 30, p.near) + circle(200, 408, 20, "none", f'stroke="{p.glow}" stroke-width="2.5"') + "</g>"
        + hills(570, 50, p.dark, random)
    )  # fmt: skip


MOTIFS = (
    record,
    umbrella,
    stairs,
    doorway,
    leaves,
    balloon,
    fish,
    birds,
    teacup,
    lantern,
    clock,
    kite,
    greenhouse,
    piano,
    windows,
    letter,
)
