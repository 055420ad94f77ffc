"""Draws the posters of the demo: flat SVG pictures with the title on them, a different one for each title."""

from collections.abc import Callable
from random import Random
from xml.sax.saxutils import escape

from tests.demo import landscapes, things
from tests.demo.drawing import HEIGHT, WIDTH, Palette, box

SERIF = "Iowan Old Style, Palatino Linotype, Palatino, Noto Serif, Georgia, DejaVu Serif, serif"
SANS = "Avenir Next, Segoe UI, Roboto, Noto Sans, DejaVu Sans, sans-serif"

Motif = Callable[[Palette, Random], str]

MOTIFS: dict[str, Motif] = {motif.__name__: motif for motif in (*landscapes.MOTIFS, *things.MOTIFS)}


def draw(
    title: str, by: str, *, motif: Motif, palette: Palette, width: int, low: bool = False, plain: bool = False
) -> str:
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
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{width}"'
        f' height="{width * HEIGHT // WIDTH}">'
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
