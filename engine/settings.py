"""Settings, read once from the environment and `.env`, then frozen."""

import os
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.errors import InputError

ARCHIVE_URL = "https://data.binance.vision"
CROSSCHECKED = 600_000  # a year of minutes: half a minute of backtesting.py


class Settings(BaseSettings):
    """All there is to set. The environment variable of a field is its alias."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    database_url: SecretStr | None = Field(default=None, alias="DATABASE_URL")
    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("backtest-desktop", appauthor=False)),
        alias="BACKTEST_HOME",
    )
    spot_url: str | None = Field(default=None, alias="BACKTEST_SPOT_URL")
    futures_url: str | None = Field(default=None, alias="BACKTEST_FUTURES_URL")
    archive_url: str | None = Field(default=None, alias="BACKTEST_ARCHIVE_URL")
    strategies: Annotated[tuple[Path, ...], NoDecode] = Field(default=(), alias="BACKTEST_STRATEGIES")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, alias="BACKTEST_WORKERS", ge=1, le=256)
    run_timeout_s: float = Field(default=300, alias="BACKTEST_RUN_TIMEOUT_S", gt=0, le=604_800)
    run_memory_mb: int = Field(default=4096, alias="BACKTEST_RUN_MEMORY_MB", ge=256)
    # the longest period, in candles, that is checked against backtesting.py unasked; 0: none
    crosscheck: Annotated[int, NoDecode] = Field(default=CROSSCHECKED, alias="BACKTEST_CROSSCHECK", ge=0)

    @field_validator("strategies", mode="before")
    @classmethod
    def _split_folders(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)
        return value

    @field_validator("crosscheck", mode="before")
    @classmethod
    def _on_off_or_number(cls, value: Any) -> Any:
        words = {"on": CROSSCHECKED, "off": 0}
        if isinstance(value, str) and not value.isdecimal():
            if value.lower() not in words:
                raise ValueError("must be on, off or a number of candles")
            return words[value.lower()]
        return value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("archive_url")
    @classmethod
    def _off_or_url(cls, value: str | None) -> str | None:
        return "off" if value is not None and value.lower() == "off" else cls._http_url(value)

    @field_validator("spot_url", "futures_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else None

    @property
    def archive(self) -> str | None:
        """Address of the bulk files, None for REST only: who replaces a REST host does not mean Binance's archive."""
        if self.archive_url is None:
            return None if self.spot_url or self.futures_url else ARCHIVE_URL
        return None if self.archive_url == "off" else self.archive_url

    @property
    def cache_folder(self) -> Path:
        """Files that can be deleted at any time without losing anything."""
        return self.home / "cache"

    @property
    def log_file(self) -> Path:
        """Where tracebacks and details go."""
        return self.home / "logs" / "backtest.log"

    @property
    def user_strategies(self) -> Path:
        """The user's own plug-in folder."""
        return self.home / "strategies"


def read_settings(**overrides: Any) -> Settings:
    """Settings from the environment; raises InputError naming the variable, never its value when secret."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        alias = next((f.alias for key, f in Settings.model_fields.items() if name in (key, f.alias)), name)
        raise InputError(f"{alias}: {first['msg']}") from None
