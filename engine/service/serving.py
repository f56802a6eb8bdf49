"""What the HTTP server needs and may not find: its packages. Imports none of them until it is asked to."""

import importlib
import importlib.util
from typing import Any, Final

from engine.errors import InputError

_SERVER: Final = "engine.api.server"  # found by name: it stands above, and its packages may not be installed
PACKAGES: Final = ("fastapi", "uvicorn")


def load_server() -> Any:
    """The module that serves (`serve`); raises InputError where its packages are not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"the server's packages are not installed ({', '.join(missing)}); install the extra api: "
            'pip install "backtest-desktop[api]", or in a checkout pip install ".[api]"'
        )
    return importlib.import_module(_SERVER)
