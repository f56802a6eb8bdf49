"""What Qt makes of a theme's colours.

Fusion plus an own QPalette is the only thing that looks the same everywhere: `setColorScheme` alone changes nothing
without a desktop portal. Plots do not follow QPalette, so they read the same tokens.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from desktop.theme.colours import Theme
from desktop.theme.style_sheet import style_sheet


def palette(theme: Theme) -> QPalette:
    """The Qt palette of a theme, disabled colours included."""
    colours = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.base,
        QPalette.ColorRole.AlternateBase: theme.panel,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.BrightText: theme.negative,
        QPalette.ColorRole.Highlight: theme.selection,
        QPalette.ColorRole.HighlightedText: theme.text,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.Light: theme.raised,
        QPalette.ColorRole.Midlight: theme.border,
        QPalette.ColorRole.Mid: theme.border,
        QPalette.ColorRole.Dark: theme.border,
        QPalette.ColorRole.Accent: theme.accent,
    }
    for role, colour in roles.items():
        colours.setColor(role, QColor(colour))
    faded = QColor(theme.muted)
    faded.setAlphaF(0.75)
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        colours.setColor(QPalette.ColorGroup.Disabled, role, faded)
    return colours


def follow_system(*, on: bool, theme: Theme) -> None:
    """Have Qt say what the desktop prefers, or take this theme's scheme for its own parts, such as window frames."""
    hints = QGuiApplication.styleHints()
    if on:
        hints.unsetColorScheme()
        return
    scheme = Qt.ColorScheme.Dark if theme.is_dark else Qt.ColorScheme.Light
    if hints.colorScheme() != scheme:
        hints.setColorScheme(scheme)


def apply_theme(app: QApplication, window: QWidget, theme: Theme) -> None:
    """Colour every widget of a window and what it opens; its plots are told by it."""
    app.setPalette(palette(theme))
    QToolTip.setPalette(palette(theme))
    sheet = style_sheet(theme)
    if window.styleSheet() != sheet:  # an application's sheet takes Qt several times as long
        window.setStyleSheet(sheet)
