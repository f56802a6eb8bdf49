"""An item that fills what is visible, whatever that is: it draws in pixels and decides nobody's range."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QRectF


class ViewItem(pg.GraphicsObject):  # type: ignore[misc]
    """Drawn anew whenever another part is visible. The scene keeps items by their bounds and crashes where these change
    without a word before, as they would if the view were asked each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._area = QRectF()

    def boundingRect(self) -> QRectF:
        """All that is visible."""
        return self._area

    def viewChanged(self, view: Any, old_view: Any) -> None:
        """It came into a view."""
        super().viewChanged(view, old_view)
        self._fill()

    def viewTransformChanged(self) -> None:
        """Another part is visible."""
        super().viewTransformChanged()
        self._fill()

    def _fill(self) -> None:
        view = self.getViewBox()
        area = QRectF() if view is None else QRectF(view.viewRect())
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area
        self.update()
