"""Colours and shapes of the drawn posters, as SVG on 400 by 600 units.

Only attributes are used, no styles: the pages' content security policy allows no styles inside an image.
"""

from dataclasses import dataclass
from random import Random

WIDTH, HEIGHT = 400, 600


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
