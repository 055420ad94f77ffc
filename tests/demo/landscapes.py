"""Motifs of the drawn posters: places."""

from random import Random

from tests.demo.drawing import WIDTH, Palette, box, circle, hills, line, shape, stars, waves


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


MOTIFS = (
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
    train,
    tent,
    bridge,
    surf,
    desert,
)
