"""A choice of time zones that takes any other name too."""

from __future__ import annotations

from typing import Final

from PySide6.QtWidgets import QComboBox, QLineEdit

from desktop.widgets.still_fields import Choice

_OFFERED: Final = (
    "UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Chicago", "Asia/Kolkata", "Asia/Shanghai",
    "Asia/Tokyo",
)  # fmt: skip


def zone_field(name: str) -> QComboBox:
    """A field of that name; UTC to begin with."""
    box, typed = Choice(editable=True), QLineEdit()
    box.setLineEdit(typed)
    for part in (box, typed):
        part.setAccessibleName(name)
    box.setToolTip(name)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.addItems(list(_OFFERED))
    return box
