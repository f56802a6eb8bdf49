"""Every pair of colours that is used together can be told apart: 4.5:1 for text, 3:1 for what is drawn (WCAG 2.2)."""

import re
from dataclasses import fields

import pytest

from desktop.pages.optimize.parallel_item import ParallelItem
from desktop.theme.colours import DARK, LIGHT, Theme
from desktop.theme.style_sheet import style_sheet
from tests.desktop.contrast import contrast

GROUNDS = ("window", "panel", "base", "raised")
TEXT_ON_GROUNDS = ("text", "muted", "accent", "positive", "negative", "warning")
TEXT_ON = {"accent_text": ("accent",), "text": ("selection",)}
# where each is drawn: plots and tables stand on `base`, strips, boxes and fields on the others too
DRAWN_ON = {
    "strong_border": ("window", "panel", "base"),
    "accent": ("window", "panel", "base", "raised"),
    "held": ("panel", "base"), "warning": ("panel", "base"), "muted": ("panel", "base", "selection"),
    "grid": ("base",), "crosshair": ("base",), "up": ("base",), "down": ("base",), "volume_up": ("base",),
    "volume_down": ("base",), "buy": ("base",), "sell": ("base",), "positive": ("base",), "negative": ("base",),
}  # fmt: skip
ONLY_PARTS = {"border"}  # lines between panels say nothing
BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


def short_of(theme: Theme, least: float, pairs: list[tuple[str, str]]) -> dict[str, float]:
    found = {
        f"{one} on {other}": contrast(getattr(theme, one), getattr(theme, other)) for one, other in pairs
    }
    return {names: round(ratio, 2) for names, ratio in found.items() if ratio < least}


def test_the_ratio_is_the_one_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@BOTH
def test_every_text_can_be_read_on_every_ground(theme: Theme) -> None:
    pairs = [(text, ground) for text in TEXT_ON_GROUNDS for ground in GROUNDS]
    pairs += [(text, ground) for text, grounds in TEXT_ON.items() for ground in grounds]
    assert short_of(theme, 4.5, pairs) == {}


@BOTH
def test_everything_drawn_can_be_seen_where_it_is_drawn(theme: Theme) -> None:
    assert (
        short_of(theme, 3, [(one, ground) for one, grounds in DRAWN_ON.items() for ground in grounds]) == {}
    )
    assert {
        curve: contrast(curve, theme.base) for curve in theme.curves if contrast(curve, theme.base) < 3
    } == {}
    assert {
        curve: contrast(curve, theme.panel) for curve in theme.curves if contrast(curve, theme.panel) < 3
    } == {}


@BOTH
def test_every_rule_of_the_style_sheet_that_sets_both_colours_can_be_read(theme: Theme) -> None:
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", style_sheet(theme))
    seen = 0
    for selector, body in rules:
        set_ = dict(re.findall(r"(?:^|;)\s*([\w-]+):\s*(#[0-9a-f]{6})", body))
        ground = set_.get("background")
        if "disabled" not in selector and "color" in set_ and ground:
            seen += 1
            assert contrast(set_["color"], ground) >= 4.5, selector
        if "selection-color" in set_:
            assert contrast(set_["selection-color"], set_["selection-background-color"]) >= 4.5, selector
    assert seen > 3


@BOTH
def test_wanted_lines_of_parallel_coordinates_can_be_seen(theme: Theme, qapp: object) -> None:
    item = ParallelItem()
    item.apply_theme(theme)
    for red, green, blue, _ in item.colours()[2:].tolist():
        assert contrast(f"#{red:02x}{green:02x}{blue:02x}", theme.base) >= 3


def test_no_colour_is_left_out() -> None:
    known = {*GROUNDS, *TEXT_ON_GROUNDS, *TEXT_ON, *DRAWN_ON, *ONLY_PARTS, "selection", "curves", "name"}
    assert {one.name for one in fields(Theme)} == known
