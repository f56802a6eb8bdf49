"""Settings: plain values, and `read_settings`, which reads them once from the environment, `.env` and what is chosen.

Only the names of VARIABLES count there, written as they stand: HOME or WORKERS are other programs' words.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import platformdirs

from engine.errors import InputError

ARCHIVE_URL: Final = "https://data.binance.vision"
BRACKETS_URL: Final = "https://www.binance.com"
CROSSCHECKED: Final = 600_000  # a year of minutes: half a minute of backtesting.py
ENV_FILE: Final = Path(".env")  # of the working directory
SETTINGS_FILE: Final = "settings.env"  # in the data folder: what is chosen in the window
OLD_FILE: Final = "database.env"  # what it was called when it held DATABASE_URL alone

_LOGIN: Final = re.compile(r"[\w.~!$&()*+,;=:%-]*")  # what may stand before the @ without being escaped


def _data_folder() -> Path:
    return Path(platformdirs.user_data_dir("backtest-desktop", appauthor=False))


def _cores() -> int:
    """The cores that this process may use: of a container or a taskset, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _folder(value: Any) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except (OSError, RuntimeError) as error:  # no such user, or a working directory that is gone
        raise ValueError(f"the folder cannot be found ({error})") from None


def _folders(value: Any) -> tuple[Path, ...]:
    parts = value.split(os.pathsep) if isinstance(value, str) else value
    try:
        return tuple(Path(part).expanduser() for part in parts if str(part))
    except RuntimeError as error:
        raise ValueError(f"a folder cannot be found ({error})") from None


def _number(value: Any, wanted: str, low: float, high: float) -> float:
    """What was given as a number within the bounds; `wanted` says in words which are."""
    try:
        found = (
            float(value) if not isinstance(value, str) or re.fullmatch(r"[0-9.]+", value.strip()) else -1.0
        )
    except ValueError:
        found = -1.0
    if not low <= found <= high:
        raise ValueError(f"must be {wanted}, not {value!r}")
    return found


def _whole(wanted: str, low: int, high: int = 10**15) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        found = _number(value, wanted, low, high)
        if found != int(found):
            raise ValueError(f"must be {wanted}, not {value!r}")
        return int(found)

    return read


def _seconds(value: Any) -> float:
    return _number(value, "a number of seconds above 0, a week at most", 0.001, 604_800)


def _crosscheck(value: Any) -> int:
    words = {"on": CROSSCHECKED, "off": 0}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    return _whole("on, off or a number of candles", 0)(value)


def _address(value: Any) -> str | None:
    """Scheme and host, perhaps with name and password: those are never quoted."""
    if value is None:
        return None
    scheme, separator, rest = str(value).partition("://")
    if scheme.lower() not in ("http", "https") or not separator:
        raise ValueError("must start with http:// or https://")
    login, at, host = rest.rpartition("@")
    if at and not _LOGIN.fullmatch(login):
        raise ValueError(
            "holds a name or password with special characters; write @ / ? # ' as %40 %2F %3F %23 %27"
        )
    try:
        fine = bool(urlsplit(f"http://{host}").hostname) and urlsplit(f"http://{host}").port != 0
    except ValueError:
        fine = False
    if not fine or re.search(r"\s", host) or not host.isprintable():
        raise ValueError("must read http://host, http://host:port or https://...")
    return str(value).rstrip("/")


def _address_or_off(value: Any) -> str | None:
    return "off" if isinstance(value, str) and value.strip().lower() == "off" else _address(value)


def _names(value: Any) -> tuple[str, ...]:
    """What stands between commas, in small letters."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(dict.fromkeys(part.strip().lower() for part in parts if part.strip()))


def _hosts(value: Any) -> tuple[str, ...]:
    names = _names(value)
    for name in names:
        if not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", name):
            raise ValueError(f"must be names of hosts without port, separated by commas, not {name!r}")
    return names


def _origins(value: Any) -> tuple[str, ...]:
    names = _names(value)
    for name in names:
        if not re.fullmatch(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", name):
            raise ValueError(
                f"must be origins such as https://example.org or http://localhost:3000, separated by commas, not {name!r}"
            )
    return names


def _token(value: Any) -> str | None:
    """Never quoted."""
    if value is None:
        return None
    if not re.fullmatch(r"[!-~]+", str(value)):
        raise ValueError("must be printable ASCII without spaces")
    return str(value)


def _published(value: Any) -> str | None:
    if value is not None and value != "loopback":
        raise ValueError(f"can only be loopback, not {value!r}; leave it out otherwise")
    return None if value is None else str(value)


def _cluster(value: Any) -> str | None:
    """Where a Dask scheduler listens; "off" undoes what the environment says."""
    if value is None or str(value).strip().lower() == "off":
        return None
    found = re.fullmatch(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[\w.-]+):([0-9]{1,5})", str(value).strip())
    if not found or not 0 < int(found[3]) < 65_536:
        raise ValueError("must read tcp://host:port or tls://host:port, of a Dask scheduler; or off")
    return found[0]


def _set_by(variable: str, read: Callable[[Any], Any], **options: Any) -> Any:
    """A field of Settings: the variable that sets it, and what makes a checked value of a text or a value."""
    return field(metadata={"variable": variable, "read": read}, **options)


@dataclass(frozen=True, slots=True)
class Settings:
    """All there is to set, checked; texts are converted as those of the environment. Raises InputError."""

    database_url: str | None = _set_by("DATABASE_URL", _text, default=None, repr=False)
    home: Path = _set_by("BACKTEST_HOME", _folder, default_factory=_data_folder)  # noqa: RUF009 - a field
    spot_url: str | None = _set_by("BACKTEST_SPOT_URL", _address_or_off, default=None, repr=False)
    futures_url: str | None = _set_by("BACKTEST_FUTURES_URL", _address_or_off, default=None, repr=False)
    bybit_url: str | None = _set_by("BACKTEST_BYBIT_URL", _address, default=None, repr=False)
    archive_url: str | None = _set_by("BACKTEST_ARCHIVE_URL", _address_or_off, default=None, repr=False)
    brackets_url: str | None = _set_by("BACKTEST_BRACKETS_URL", _address, default=None, repr=False)
    strategies: tuple[Path, ...] = _set_by("BACKTEST_STRATEGIES", _folders, default=())
    workers: int = _set_by(
        "BACKTEST_WORKERS",
        _whole("a whole number from 1 to 256", 1, 256),
        default_factory=_cores,
    )
    run_timeout_s: float = _set_by("BACKTEST_RUN_TIMEOUT_S", _seconds, default=300)
    run_memory_mb: int = _set_by(
        "BACKTEST_RUN_MEMORY_MB", _whole("a whole number of megabytes, at least 256", 256), default=4096
    )
    # the longest period, in candles, that is checked against backtesting.py unasked; 0: none
    crosscheck: int = _set_by("BACKTEST_CROSSCHECK", _crosscheck, default=CROSSCHECKED)
    # a Dask scheduler whose workers run everything in place of this machine's
    cluster: str | None = _set_by("BACKTEST_CLUSTER", _cluster, default=None)
    # who may ask the HTTP server, and under which names: engine/api
    api_token: str | None = _set_by("BACKTEST_API_TOKEN", _token, default=None, repr=False)
    api_published: str | None = _set_by("BACKTEST_API_PUBLISHED", _published, default=None)
    api_hosts: tuple[str, ...] = _set_by("BACKTEST_API_HOSTS", _hosts, default=())
    api_origins: tuple[str, ...] = _set_by("BACKTEST_API_ORIGINS", _origins, default=())

    def __post_init__(self) -> None:
        for one in fields(self):
            try:
                value = one.metadata["read"](getattr(self, one.name))
            except ValueError as error:
                raise InputError(f"{one.metadata['variable']}: {error}") from None
            object.__setattr__(self, one.name, value)

    @property
    def archive(self) -> str | None:
        """Address of the bulk files, None for REST only: who replaces a REST host does not mean Binance's archive. With REST
        off they are all there is.
        """
        if self.archive_url is None:
            is_replaced = any(url not in (None, "off") for url in (self.spot_url, self.futures_url))
            return None if is_replaced else ARCHIVE_URL
        return None if self.archive_url == "off" else self.archive_url

    @property
    def cache_folder(self) -> Path:
        """Files that can be deleted at any time; only what Undo still offers to bring back is lost with them."""
        return self.home / "cache"

    @property
    def log_file(self) -> Path:
        """Where tracebacks and details go."""
        return self.home / "logs" / "backtest.log"

    @property
    def user_strategies(self) -> Path:
        """The user's own plug-in folder."""
        return self.home / "strategies"


# field -> the name that sets it
VARIABLES: Final[Mapping[str, str]] = {one.name: one.metadata["variable"] for one in fields(Settings)}


def read_settings(**overrides: Any) -> Settings:
    """The settings of the environment, then of `.env`, then those chosen in the window; `overrides` (by field) win.

    An empty variable counts as unset. The data folder itself may be chosen in the default one's file.

    Raises InputError naming the variable, never a value that may hold a password.
    """
    given = _set_in(_env_file()) | _set_in(os.environ) | overrides
    home = _home(given)
    chosen = {name: text for name, text in _set_in(chosen_settings(home)).items() if name not in given}
    try:
        Settings(**chosen)
    except InputError as error:
        raise InputError(f"{home / SETTINGS_FILE} holds a value that is none: {error}") from None
    return Settings(**chosen | given | {"home": home})


def _home(given: Mapping[str, Any]) -> Path:
    if "home" in given:
        return Settings(home=given["home"]).home
    default = default_home()
    moved = (chosen_settings(default).get("BACKTEST_HOME") or "").strip()
    return Settings(home=_folder(moved)).home if moved else default


def default_home() -> Path:
    """The data folder where none is named."""
    return Settings().home


def chosen_settings(home: Path) -> dict[str, str]:
    """By variable, what is chosen in the window for this data folder. The values stand there as they are: nothing is quoted,
    and $ and quotes are characters like any other.
    """
    lines = [line for name in (OLD_FILE, SETTINGS_FILE) for line in chosen_lines(home / name)]
    named = (line.partition("=") for line in lines)
    return {name: text.strip() for name, _, text in named if name in VARIABLES.values()}


def chosen_lines(file: Path) -> list[str]:
    """The lines of such a file; none where there is none. Raises InputError where it cannot be read."""
    if not os.path.lexists(file):  # or we may not even look: whoever uses the folder says so
        return []
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text; remove it to choose again") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); mend it, or move it away") from None


def set_by(variable: str) -> str:
    """Where a variable stands: "the environment", ".env", or "" where the window's choice or the default counts."""
    for where, given in (("the environment", os.environ), (str(ENV_FILE), _env_file())):
        if (given.get(variable) or "").strip():
            return where
    return ""


def container_login() -> tuple[int, str | None]:
    """Port and password of docker compose's PostgreSQL, by the environment or `.env`."""
    given: Mapping[str, str | None] = _env_file() | os.environ
    port = (given.get("POSTGRES_PORT") or "").strip()
    return int(port) if port.isdecimal() else 5432, given.get("POSTGRES_PASSWORD") or None


def _set_in(given: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        name: given[variable] for name, variable in VARIABLES.items() if (given.get(variable) or "").strip()
    }


def _env_file(file: Path = ENV_FILE) -> dict[str, str | None]:
    """What a file like `.env` sets. A virtual environment of that name is none of ours."""
    try:
        file.lstat()
    except OSError:  # not there; or we may not even look, as a service in another user's folder
        return {}
    if (file / "pyvenv.cfg").exists():
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text; save it as UTF-8, or move it away") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); mend it, or move it away") from None
    from dotenv.main import resolve_variables
    from dotenv.parser import parse_stream

    lines = list(parse_stream(StringIO(text)))
    for line in lines:  # of another program's line that we do not understand nothing need be said
        if line.error and any(variable in line.original.string for variable in VARIABLES.values()):
            raise InputError(f"{file}, line {line.original.line}: write NAME=value")
    return dict(resolve_variables([(line.key, line.value) for line in lines if line.key], override=True))
