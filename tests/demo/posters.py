"""Draws the posters of the demo: flat SVG pictures with the title on them, a different one for each title.

A motif is drawn on 400 by 600 units in the colours of a palette. Only attributes are used, no styles: the pages'
content security policy allows no styles inside an image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin
from random import Random
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 400, 600
SERIF = "Iowan Old Style, Palatino Linotype, Palatino, Noto Serif, Georgia, DejaVu Serif, serif"
SANS = "Avenir Next, Segoe UI, Roboto, Noto Sans, DejaVu Sans, sans-serif"


@dataclass(frozen=True)
class Palette:
    """Five colours: the sky, two layers of land, the dark of the foreground, and light."""

    sky: str
    far: str
    near: str
    dark: str
    glow: str
    on_sky: str
    """For letters on the sky; on the dark they are in the colour of the light."""


PALETTES = {
    "night": Palette("#1b2a4a", "#2f4a78", "#22375d", "#111a30", "#f4d9a0", "#f7efdc"),
    "dusk": Palette("#d9866f", "#a3546a", "#6d3a5e", "#33203d", "#fae0b0", "#2d1a33"),
    "moss": Palette("#dfe3c0", "#93a86c", "#58764c", "#22352a", "#f7f3dc", "#22352a"),
    "rust": Palette("#e9b872", "#c8693a", "#8f3f28", "#3f1c17", "#fbecc8", "#3f1c17"),
    "sea": Palette("#a9d0cb", "#4f9a9c", "#236672", "#0e343e", "#f6f1d9", "#0e343e"),
    "sand": Palette("#efe3cb", "#d9b98a", "#a8744a", "#3a2920", "#fffaf0", "#3a2920"),
    "rose": Palette("#f0c9bd", "#d4838a", "#9a3f57", "#471729", "#fdf0e0", "#471729"),
    "steel": Palette("#c3ccd0", "#8796a0", "#4f5e69", "#20282e", "#f4f2ea", "#20282e"),
    "plum": Palette("#3b2a56", "#6d4f8c", "#523a70", "#1d1430", "#f3cfd8", "#f8e9ee"),
    "ember": Palette("#5c1f1c", "#a33d26", "#7a2c20", "#2b0e0e", "#f7c56b", "#fbe7c4"),
    "pine": Palette("#173630", "#2f6153", "#234b42", "#0b1f1c", "#eed27e", "#f1ecd2"),
    "paper": Palette("#f3eee2", "#cfc4ae", "#b5452d", "#1f2b36", "#fffdf6", "#1f2b36"),
}


def circle(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" {more}/>'


def box(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" {more}/>'


def shape(path: str, fill: str, more: str = "") -> str:
    return f'<path d="{path}" fill="{fill}" {more}/>'


def line(path: str, colour: str, width: float, more: str = "") -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linecap="round" {more}/>'


def hills(y: float, height: float, fill: str, random: Random) -> str:
    a, b = random.uniform(0.4, 1) * height, random.uniform(0.4, 1) * height
    return shape(f"M0 {y:g}C90 {y - a:g} 150 {y - a:g} 220 {y:g}S340 {y - b:g} 400 {y - b / 2:g}V600H0Z", fill)


def stars(random: Random, colour: str, count: int = 40) -> str:
    return "".join(
        circle(
            random.uniform(15, 385), random.uniform(15, 380), random.choice((1, 1, 1.6, 2.2)), colour, 'opacity=".8"'
        )
        for _ in range(count)
    )


def waves(y: float, fill: str, step: float = 50) -> str:
    count = int(WIDTH / step) + 2
    return shape(f"M{-step:g} {y:g}" + f"q{step / 2:g} -14 {step:g} 0" * count + "V600H-60Z", fill)


def lighthouse(p: Palette, random: Random) -> str:
    beams = shape("M262 262L-20 190V300Z", p.glow, 'opacity=".35"') + shape(
        "M262 262L420 215V320Z", p.glow, 'opacity=".35"'
    )
    tower = shape("M244 290H280L292 470H232Z", p.glow) + shape("M241 330H283L286 372H238Z", p.near)
    tower += shape("M236 412H288L290 446H233Z", p.near) + box(246, 246, 32, 44, p.dark) + box(252, 252, 20, 26, p.glow)
    tower += shape("M240 246L262 222L284 246Z", p.near)
    return (
        stars(random, p.glow)
        + beams
        + tower
        + shape("M120 600C140 480 330 440 420 500V600Z", p.dark)
        + waves(520, p.far)
    )


def harbour(p: Palette, random: Random) -> str:
    def boat(x: float, y: float, size: float, hull: str, sail: str) -> str:
        return (
            f'<g transform="translate({x:g} {y:g}) scale({size:g})">'
            + shape("M-60 0H60L42 28H-44Z", hull)
            + shape("M4 -110V-8H62Z", sail)
            + shape("M-4 -90V-8H-44Z", sail, 'opacity=".75"')
            + "</g>"
        )

    sun = circle(290, 300, 62, p.glow)
    return (
        sun + hills(400, 70, p.far, random) + waves(400, p.near) + boat(120, 430, 1.1, p.dark, p.glow)
        + boat(285, 408, 0.6, p.dark, p.sky) + waves(470, p.dark, 66)
    )  # fmt: skip


def orchard(p: Palette, random: Random) -> str:
    drawn = hills(400, 90, p.far, random) + hills(450, 40, p.near, random)
    for row, (y, size) in enumerate(((400, 22), (450, 34), (520, 52))):
        for n in range(6 - row):
            x = 30 + row * 20 + n * (400 / (5.4 - row)) + random.uniform(-8, 8)
            drawn += box(x - size / 10, y - size, size / 5, size * 1.2, p.dark)
            drawn += circle(x, y - size * 1.4, size, p.dark if row == 2 else p.near)
            drawn += "".join(
                circle(x + random.uniform(-0.6, 0.6) * size, y - size * random.uniform(0.9, 1.9), size / 9, p.glow)
                for _ in range(5)
            )
    return drawn


def pier(p: Palette, random: Random) -> str:
    posts = "".join(box(40 + n * 46, 440, 8, 120, p.dark) for n in range(6))
    cafe = box(150, 350, 130, 74, p.near) + shape("M136 352L215 304L294 352Z", p.dark)
    cafe += "".join(box(164 + n * 38, 372, 24, 30, p.glow) for n in range(3))
    moon = circle(310, 250, 40, p.glow) + line("M300 470H330M292 486H338M304 502H326", p.glow, 4, 'opacity=".6"')
    return moon + waves(440, p.far) + posts + box(0, 424, 320, 18, p.dark) + cafe + waves(530, p.near, 80)


def planets(p: Palette, random: Random) -> str:
    x, y, radius = random.uniform(170, 250), random.uniform(330, 390), random.uniform(92, 120)
    ring = f'transform="rotate(-18 {x:g} {y:g})"'
    behind = f"M{x - radius * 1.7:g} {y:g}A{radius * 1.7:g} {radius * 0.4:g} 0 0 1 {x + radius * 1.7:g} {y:g}"
    before = f"M{x - radius * 1.7:g} {y:g}A{radius * 1.7:g} {radius * 0.4:g} 0 0 0 {x + radius * 1.7:g} {y:g}"
    return (
        stars(random, p.glow, 60) + line(behind, p.glow, 9, ring) + circle(x, y, radius, p.far)
        + shape(f"M{x - radius:g} {y:g}A{radius:g} {radius:g} 0 0 0 {x + radius:g} {y:g}Z", p.near, ring)
        + line(before, p.glow, 9, ring) + circle(330, 230, 22, p.near) + circle(70, 500, 34, p.far)
    )  # fmt: skip


def skyline(p: Palette, random: Random) -> str:
    drawn = circle(random.uniform(90, 310), 270, 56, p.glow)
    for base, fill, least in ((330, p.far, 46), (400, p.near, 52), (470, p.dark, 60)):
        x = -10.0
        while x < WIDTH:
            width, top = random.uniform(least, least + 30), base - random.uniform(0, 90)
            drawn += box(x, top, width + 1, 600 - top, fill)
            if fill != p.far:
                drawn += "".join(
                    box(x + 10 + column * 16, top + 14 + level * 24, 7, 11, p.glow, 'opacity=".85"')
                    for column in range(int((width - 12) // 16))
                    for level in range(5)
                    if random.random() < 0.45
                )
            x += width
    return drawn


def mountains(p: Palette, random: Random) -> str:
    def peak(x: float, top: float, half: float, fill: str) -> str:
        snow = half * 0.28
        return shape(f"M{x - half:g} 600L{x:g} {top:g}L{x + half:g} 600Z", fill) + shape(
            f"M{x:g} {top:g}L{x + snow:g} {top + snow * (600 - top) / half:g}"
            f"L{x + snow * 0.3:g} {top + snow * 1.1 * (600 - top) / half * 0.7:g}"
            f"L{x - snow * 0.3:g} {top + snow * (600 - top) / half:g}"
            f"L{x - snow:g} {top + snow * 0.75 * (600 - top) / half:g}Z",
            p.glow,
        )

    a = random.uniform(100, 160)
    return (
        circle(330, 230, 40, p.glow) + peak(a, 300, 210, p.far) + peak(a + 170, 340, 190, p.near)
        + hills(500, 60, p.dark, random) + "".join(
            shape(f"M{x:g} {y:g}l14 -46l14 46Z", p.dark)
            for x, y in ((random.uniform(0, 380), random.uniform(490, 510)) for _ in range(16)))
    )  # fmt: skip


def road(p: Palette, random: Random) -> str:
    dashes = "".join(
        shape(f"M{200 - w} {y}H{200 + w}L{200 + w * 1.3} {y + h}H{200 - w * 1.3}Z", p.glow)
        for y, w, h in ((390, 2, 14), (422, 4, 24), (468, 6, 34), (530, 9, 60))
    )
    return (
        circle(200, 340, 74, p.glow) + hills(370, 50, p.far, random) + box(0, 368, 400, 232, p.near)
        + shape("M190 368H210L390 600H10Z", p.dark) + dashes + line("M60 368V300M60 312H92M44 322H60", p.dark, 7)
    )  # fmt: skip


def house(p: Palette, random: Random) -> str:
    x = random.uniform(120, 170)
    return (
        stars(random, p.glow, 26) + hills(430, 80, p.far, random) + box(x, 380, 150, 120, p.dark)
        + shape(f"M{x - 20:g} 384L{x + 75:g} 306L{x + 170:g} 384Z", p.dark) + box(x + 106, 300, 20, 50, p.dark)
        + box(x + 28, 412, 36, 40, p.glow) + line(f"M{x + 46:g} 412V452M{x + 28:g} 432H{x + 64:g}", p.dark, 4)
        + box(x + 92, 430, 32, 70, p.near) + line(f"M{x + 116:g} 290q14 -14 4 -30t8 -34", p.far, 7)
        + hills(500, 40, p.near, random)
    )  # fmt: skip


def birches(p: Palette, random: Random) -> str:
    drawn = circle(random.uniform(130, 280), 320, 80, p.glow)
    for n, (fill, width) in enumerate(
        ((p.far, 12), (p.far, 10), (p.near, 18), (p.near, 20), (p.dark, 28), (p.dark, 32))
    ):
        x = (n * 157 + 20) % 380
        drawn += box(x, 215, width, 385, fill)
        drawn += "".join(
            box(x, random.uniform(240, 580), width * random.uniform(0.3, 0.7), 4, p.glow, 'opacity=".7"')
            for _ in range(6)
        )
    return drawn + hills(560, 30, p.dark, random)


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


def train(p: Palette, random: Random) -> str:
    cars = "".join(
        box(-30 + n * 122, 420, 116, 66, p.dark, 'rx="8"')
        + "".join(box(-18 + n * 122 + w * 34, 434, 24, 24, p.glow) for w in range(3))
        + circle(-4 + n * 122, 490, 11, p.dark) + circle(60 + n * 122, 490, 11, p.dark)
        for n in range(3)
    )  # fmt: skip
    engine = shape("M336 486V440H372Q400 452 404 486Z", p.dark)
    arches = "".join(shape(f"M{x} 600V548A34 34 0 0 1 {x + 68} 548V600Z", p.sky) for x in range(14, 400, 96))
    return (
        circle(300, 290, 60, p.glow)
        + hills(430, 120, p.far, random)
        + cars
        + engine
        + box(0, 500, 400, 100, p.near)
        + arches
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


def tent(p: Palette, random: Random) -> str:
    pines = "".join(
        shape(f"M{x:g} {y:g}l{s:g} {-3 * s:g}l{s:g} {3 * s:g}Z", p.near)
        for x, y, s in ((random.uniform(-20, 380), 480, random.uniform(18, 34)) for _ in range(16))
    )
    return (
        stars(random, p.glow, 50)
        + circle(90, 260, 34, p.glow)
        + hills(440, 100, p.far, random)
        + pines
        + box(0, 478, 400, 122, p.dark)
        + shape("M120 520L210 400L300 520Z", p.glow)
        + shape("M210 400L180 520H240Z", p.near)
    )


def bridge(p: Palette, random: Random) -> str:
    cables = "".join(
        line(f"M{x} {290 + 540 * (x - 104) / 192 * (296 - x) / 192:g}V440", p.dark, 2) for x in range(120, 290, 16)
    )
    return (
        circle(310, 300, 50, p.glow) + hills(440, 80, p.far, random) + waves(470, p.near)
        + box(96, 280, 16, 260, p.dark) + box(288, 280, 16, 260, p.dark) + line("M104 290Q200 560 296 290", p.dark, 5)
        + line("M104 290Q40 420 -20 430M296 290Q360 420 420 430", p.dark, 5) + box(0, 436, 400, 12, p.dark)
        + cables + waves(560, p.dark, 70)
    )  # fmt: skip


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


def surf(p: Palette, random: Random) -> str:
    drawn = circle(300, 270, 58, p.glow)
    for level, fill in enumerate((p.far, p.near, p.far, p.near, p.dark)):
        y, step = 340 + level * 52, 80
        shift = random.uniform(0, step)
        for n in range(-1, 6):
            for r, colour in ((52, fill), (38, p.glow if fill != p.dark else p.far), (30, fill), (14, p.glow)):
                drawn += circle(n * step + shift, y + 40, r, colour)
        drawn += box(0, y + 62, 400, 60, fill)
    return drawn


def desert(p: Palette, random: Random) -> str:
    def cactus(x: float, y: float, s: float) -> str:
        return line(
            f"M{x:g} {y:g}v{-90 * s:g}M{x:g} {y - 36 * s:g}h{-26 * s:g}v{-26 * s:g}"
            f"M{x:g} {y - 50 * s:g}h{26 * s:g}v{-24 * s:g}",
            p.dark,
            14 * s,
        )

    return (
        circle(200, 350, 92, p.glow)
        + hills(430, 60, p.far, random)
        + hills(490, 70, p.near, random)
        + cactus(110, 510, 1.3)
        + cactus(310, 480, 0.7)
        + hills(560, 60, p.dark, random)
    )


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


Motif = Callable[[Palette, Random], str]

MOTIFS: dict[str, Motif] = {
    motif.__name__: motif
    for motif in (
        lighthouse,
        harbour,
        orchard,
        pier,
        planets,
        skyline,
        mountains,
        road,
        house,
        birches,
        record,
        umbrella,
        stairs,
        doorway,
        leaves,
        balloon,
        train,
        fish,
        birds,
        teacup,
        lantern,
        tent,
        bridge,
        clock,
        kite,
        surf,
        desert,
        greenhouse,
        piano,
        windows,
        letter,
    )
}


def draw(title: str, by: str, *, motif: Motif, palette: Palette, low: bool = False, plain: bool = False) -> str:
    """The poster as an SVG document. `low` puts the title beneath the picture, `plain` sets it in wide capitals."""
    random = Random(title)
    picture = motif(palette, random)
    size, rows = _set(title.upper() if plain else title, 28 if plain else 46, 12 if plain else 7.9)
    ink = palette.glow if low else palette.on_sky
    family, weight, spacing = (SANS, 600, 3) if plain else (SERIF, 700, -0.5)
    anchor, x = ("middle", 200) if plain else ("start", 34)
    gap = size * 1.12
    top = 556 - gap * (len(rows) - 1) - 30 if low else 46 + size * 0.8
    if low:
        cover = top - size - 30
        picture = f'<g transform="translate(0 {cover - 540:g})">{box(0, 0, 400, 700, palette.sky)}{picture}</g>'
        picture += box(0, cover, 400, 600 - cover, palette.dark)
    lettering = "".join(
        f'<text x="{x}" y="{top + n * gap:g}" fill="{ink}" font-family="{family}" font-size="{size:g}"'
        f' font-weight="{weight}" letter-spacing="{spacing}" text-anchor="{anchor}">{escape(row)}</text>'
        for n, row in enumerate(rows)
    )
    below = top + (len(rows) - 1) * gap + 32
    names = (
        f'<text x="{x}" y="{below:g}" fill="{ink}" font-family="{SANS}" font-size="15" letter-spacing="1.5"'
        f' text-anchor="{anchor}" opacity=".85">{escape(by)}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f"{box(0, 0, WIDTH, HEIGHT, palette.sky)}{picture}{lettering}{names}</svg>"
    )


def _set(title: str, size: float, per_row: float) -> tuple[float, list[str]]:
    """The title in rows that fit, and the size of its letters. Letters are taken to be wide, for any font."""
    longest = max(len(word) for word in title.split())
    room = max(longest, int(per_row * 46 / size) + (2 if len(title) < 18 else 5))
    rows = [""]
    for word in title.split():
        joined = f"{rows[-1]} {word}".strip()
        if len(joined) <= room:
            rows[-1] = joined
        else:
            rows.append(word)
    widest = max(len(row) for row in rows)
    return min(size, 332 / (widest * (0.86 if title.isupper() else 0.64))), rows
