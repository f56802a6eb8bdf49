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
    """Named colours (#rrggbb). `curves` are told apart by people who confuse red and green.

    Text has a contrast of at least 4.5:1 to the ground it stands on, what is drawn of at least 3:1; `border` only parts.
    """

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
    strong_border="#64718a",
    text="#e3e7ee",
    muted="#98a2b3",
    accent="#4d9bff",
    accent_text="#07111f",
    selection="#24456f",
    positive="#3ccf91",
    negative="#ff6b6b",
    warning="#f2b84b",
    held="#2f9e6e",
    grid="#667184",
    crosshair="#a6b0c0",
    up="#2ebd85",
    down="#f6465d",
    volume_up="#2a8a66",
    volume_down="#b0434f",
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
    strong_border="#7c8899",
    text="#18202c",
    muted="#566275",
    accent="#1a63d8",
    accent_text="#ffffff",
    selection="#cfe0fb",
    positive="#0a7d4f",
    negative="#c9252d",
    warning="#946000",
    held="#2f9a6c",
    grid="#7f8a99",
    crosshair="#3d4858",
    up="#0f9d6b",
    down="#d9363e",
    volume_up="#3f9b79",
    volume_down="#d0656f",
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
        return theme_for(QGuiApplication.styleHints().colorScheme())
    return LIGHT if name == "light" else DARK


def theme_for(scheme: Qt.ColorScheme) -> Theme:
    """The theme for what a desktop prefers."""
    return LIGHT if scheme == Qt.ColorScheme.Light else DARK
