"""What the window needs and may not find: its packages, system libraries of Qt, a screen. Imports none of them
until it is asked to."""

import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError

_WINDOW: Final = "desktop.app"  # found by name: it stands above the engine, and an installation may lack it
PACKAGES: Final = ("PySide6", "pyqtgraph", "qasync")  # as they are imported
SYSTEM_LIBRARIES: Final = (  # the Makefile's QT_PACKAGES
    "libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 "
    "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1"
)
_SHARED_OBJECT: Final = re.compile(r"\.so\b|\.dylib|shared object|dll load", re.IGNORECASE)


def load_window() -> Any:
    """The module that opens the window (`main`) and draws it without a screen (`render_window`); ImportError without it."""
    return importlib.import_module(_WINDOW)


def missing_packages() -> str | None:
    """One line about the packages that are not installed; None where all are."""
    if importlib.util.find_spec("desktop") is None:
        return "this installation is the engine alone, without the window; every other command works"
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"the window's packages are not installed ({', '.join(missing)}); `make desktop` in the checkout installs them"


def advice(problem: Exception) -> str:
    """One line that says why Qt cannot be imported and what to do."""
    absent = missing_packages()
    if absent is not None:
        return absent
    if _SHARED_OBJECT.search(str(problem)):
        return f"the window needs a system library ({problem}); on Debian or Ubuntu: apt-get install -y {SYSTEM_LIBRARIES}"
    return f"the window's packages cannot be imported ({problem}); install them again: make clean, then make desktop"


def _screen_plugin() -> str:
    """Qt's part that draws on X11; where Qt lies elsewhere, the library that is missing most often."""
    found = importlib.util.find_spec("PySide6")
    if found is not None and found.origin is not None:
        plugin = Path(found.origin).parent / "Qt" / "plugins" / "platforms" / "libqxcb.so"
        if plugin.exists():
            return str(plugin)
    return "libxcb-cursor.so.0"


def check_screen() -> None:
    """Raise InputError where Qt would end the whole program instead of raising: no screen, or half of its X11 part."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        return
    if not os.environ.get("DISPLAY"):
        raise InputError(
            "there is no screen here (DISPLAY and WAYLAND_DISPLAY are not set); every other command works without one"
        )
    import ctypes

    try:
        ctypes.CDLL(_screen_plugin())  # with all that it needs itself: cursor, icccm, keysyms, ...
    except OSError as error:
        raise InputError(advice(error)) from error
