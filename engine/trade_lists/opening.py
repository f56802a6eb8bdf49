"""Opens a trade list: text, or the one JSON in a zip that may be a result. What it unpacks to is capped."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import IO, Final

from engine.errors import InputError

MOST_BYTES: Final = 1 << 26  # unpacked
_MOST_MEMBERS: Final = 1000
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_OF_MACOS: Final = "__MACOSX/"
_BESIDE_RESULT: Final = ("_config.json", ".meta.json")  # what freqtrade packs beside the result


def trade_list_text(path: Path) -> str:
    """The text of a file, or of the result in a zip; raises InputError for what cannot be one."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            found = _unpacked(file, path.name) if is_zip else _bounded(file, path.name)
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name a file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path.name} is damaged, cut off or has a password ({error})") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return decoded(found, path.name)


def decoded(found: bytes, name: str) -> str:
    """UTF-8, or UTF-16 as spreadsheets write it, without its mark; raises InputError."""
    try:
        return found.decode("utf-16" if found[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is no text in UTF-8; save it as UTF-8") from None


def _bounded(stream: IO[bytes], name: str) -> bytes:
    found = stream.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise InputError(
            f"{name} is larger than {MOST_BYTES >> 20} MB: too large for a list of trades; export less"
        )
    return found


def _unpacked(file: IO[bytes], name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_bounded(file, name))) as archive:
        names = [one.filename for one in archive.infolist()[:_MOST_MEMBERS] if not one.is_dir()]
        names = [one for one in names if not one.startswith(_OF_MACOS)]
        if any(one.startswith("xl/") for one in names):
            raise InputError(f"{name} is an Excel workbook; save its list of trades as CSV")
        results = [one for one in names if one.endswith(".json") and not one.endswith(_BESIDE_RESULT)]
        results = _result_alone(results) or [one for one in names if one.endswith(".csv")]
        if len(results) != 1:
            held = ", ".join(names[:5]) or "nothing"
            raise InputError(f"{name} must hold one result (.json or .csv); it holds {held}")
        with archive.open(results[0]) as stream:
            return _bounded(stream, f"{results[0]} in {name}")


def _result_alone(names: list[str]) -> list[str]:
    """freqtrade packs a strategy's parameters beside the result as RESULT_STRATEGY.json: the result, or all of them."""
    first = min(names, key=len, default="")
    stem = first.removesuffix(".json")
    return [first] if first and all(name == first or name.startswith(f"{stem}_") for name in names) else names
