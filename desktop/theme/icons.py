"""Icons drawn as small SVG strokes in the theme's colour; style sheets want files, so those few are written once."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

_SHAPES: Final = {
    "run": '<path d="M6 4l13 8-13 8z" fill="{c}"/>',
    "stop": '<rect x="6" y="6" width="12" height="12" rx="2" fill="{c}"/>',
    "fetch": '<path d="M12 3v12M7 10l5 5 5-5M4 20h16"/>',
    "import": '<path d="M12 5v14M5 12h14"/>',
    "export": '<path d="M12 15V3M7 8l5-5 5 5M4 15v5h16v-5"/>',
    "refresh": '<path d="M20 5v5h-5M4 19v-5h5M5.5 9a7 7 0 0 1 12-3L20 10M18.5 15a7 7 0 0 1-12 3L4 14"/>',
    "previous": '<path d="M15 5l-7 7 7 7"/>',
    "next": '<path d="M9 5l7 7-7 7"/>',
    "close": '<path d="M6 6l12 12M18 6L6 18"/>',
    "reset": '<path d="M4 4v6h6M4.6 10A8 8 0 1 1 4 14"/>',
    "broken": '<path d="M12 3L2 20h20zM12 9v5M12 17v.5"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v6M12 7v.5"/>',
    "theme": '<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="{c}"/>',
    "copy": '<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15V5a1 1 0 0 1 1-1h10"/>',
    "arrow_up": '<path d="M5 15l7-7 7 7"/>',
    "arrow_down": '<path d="M5 9l7 7 7-7"/>',
    "arrow_right": '<path d="M9 5l7 7-7 7"/>',
    "calendar": '<rect x="4" y="5" width="16" height="15" rx="2"/><path d="M4 10h16M8 3v4M16 3v4"/>',
    "columns": '<rect x="4" y="5" width="16" height="14" rx="1"/><path d="M9.5 5v14M14.5 5v14"/>',
    "save": '<path d="M5 4h11l4 4v12H5zM9 4v5h6V4M8 20v-6h8v6"/>',
    "open": '<path d="M3 6h6l2 2h10v11H3z"/>',
    "edit": '<path d="M4 20l1-4L16 5l3 3L8 19zM14 7l3 3"/>',
    "star": '<path d="M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6L12 17.100l-5.300 2.900 1.100-6-4.400-4.200 6-.8z"/>',
    "starred": '<path d="M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6L12 17.100l-5.300 2.900 1.100-6-4.400-4.200 6-.8z" fill="{c}"/>',
    "results": '<rect x="3" y="4" width="18" height="16" rx="2"/><path d="M3 14h18"/>',
    "check": '<path d="M4 12l6 6L20 6"/>',
}  # fmt: skip


def _svg(name: str, colour: str) -> str:
    shape = _SHAPES[name].format(c=colour)
    stroke = 3.2 if name.startswith(("arrow", "check")) else 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g fill="none" stroke="{colour}" '
        f'stroke-width="{stroke}" stroke-linecap="round" stroke-linejoin="round">{shape}</g></svg>'
    )


@cache
def icon(name: str, colour: str) -> QIcon:
    """The icon in one colour, sharp up to 64 pixels."""
    result = QIcon()
    renderer = QSvgRenderer(QByteArray(_svg(name, colour).encode()))
    for size in (16, 20, 32, 64):
        pixmap = QPixmap(size, size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        result.addPixmap(pixmap)
    return result


@cache
def swatch(colour: str | None, *, dashed: bool = False) -> QPixmap:
    """A short piece of a curve; None leaves the place empty."""
    pixmap = QPixmap(14, 12)
    pixmap.fill(Qt.GlobalColor.transparent)
    if colour is not None:
        painter = QPainter(pixmap)
        for left in (0, 5, 10) if dashed else (0,):
            painter.fillRect(left, 4, 4 if dashed else 14, 4, QColor(colour))
        painter.end()
    return pixmap


@cache
def blank(width: int) -> QPixmap:
    """Room of so many pixels."""
    pixmap = QPixmap(width, 12)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="backtest-icons-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def icon_file(name: str, colour: str) -> str:
    """Path of the icon as a file for style sheets; the folder goes with the program."""
    path = _folder() / f"{name}-{colour.lstrip('#')}.svg"
    path.write_text(_svg(name, colour), encoding="utf-8")
    return path.as_posix()
