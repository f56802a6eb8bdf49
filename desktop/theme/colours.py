"""Colours: two palettes as tokens that Qt and the plots read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

SYSTEM: Final = "system"
THEME_NAMES: Final = (SYSTEM, "light", "dark")


@dataclass(frozen=True, slots=True)
class Theme:
    """Named colours (#rrggbb). `curves` are told apart by people who confuse red and green."""

    name: str
    window: str
    panel: str
    base: str
    raised: str
    border: str
    strong_border: str
    text: str
    muted: str
    accent: str
    accent_text: str
    selection: str
    positive: str
    negative: str
    warning: str
    held: str
    grid: str
    crosshair: str
    up: str
    down: str
    volume_up: str
    volume_down: str
    buy: str
    sell: str
    curves: tuple[str, ...]

    @property
    def is_dark(self) -> bool:
        """Whether text is light on dark."""
        return self.name == "dark"

    def curve(self, slot: int) -> str:
        """Colour of the curve in a slot; slots beyond the palette begin again."""
        return self.curves[slot % len(self.curves)]


DARK: Final = Theme(
    name="dark",
    window="#12151a",
    panel="#181c23",
    base="#101318",
    raised="#232934",
    border="#2a313d",
    strong_border="#465062",
    text="#e3e7ee",
    muted="#98a2b3",
    accent="#4d9bff",
    accent_text="#07111f",
    selection="#24456f",
    positive="#3ccf91",
    negative="#ff6b6b",
    warning="#f2b84b",
    held="#2f9e6e",
    grid="#5a6474",
    crosshair="#a6b0c0",
    up="#2ebd85",
    down="#f6465d",
    volume_up="#1f6b50",
    volume_down="#7d2f3b",
    buy="#4d9bff",
    sell="#ffae42",
    curves=(
        "#4d9bff", "#ffae42", "#3ccf91", "#ee7be0", "#f4e04d",
        "#57d3e8", "#ff7f6b", "#a78bfa", "#b4d455", "#c9d1de",
    ),
)  # fmt: skip

LIGHT: Final = Theme(
    name="light",
    window="#eef1f5",
    panel="#f8f9fb",
    base="#ffffff",
    raised="#ffffff",
    border="#d3d9e2",
    strong_border="#9aa5b5",
    text="#18202c",
    muted="#566275",
    accent="#1a63d8",
    accent_text="#ffffff",
    selection="#cfe0fb",
    positive="#0a7d4f",
    negative="#c9252d",
    warning="#9a6200",
    held="#35a274",
    grid="#8a94a3",
    crosshair="#3d4858",
    up="#0f9d6b",
    down="#d9363e",
    volume_up="#a9dcc6",
    volume_down="#f3bcc0",
    buy="#1a63d8",
    sell="#b45f00",
    curves=(
        "#1a63d8", "#c96a00", "#0a8a57", "#b025a4", "#8a7400",
        "#087f94", "#c2402b", "#6a45d1", "#5c7d0c", "#4a5566",
    ),
)  # fmt: skip


def theme_named(name: str) -> Theme:
    """The theme to show for "light", "dark" or "system" (what the desktop prefers; dark where it says nothing)."""
    if name == SYSTEM:
        light = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
        return LIGHT if light else DARK
    return LIGHT if name == "light" else DARK
