"""The strategy of a stored run: its file where that is as it was, or the source that was stored with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import InputError
from engine.loader.sources import are_unchanged, file_of
from engine.model.comparison import SourceFile
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import RunResult

if TYPE_CHECKING:
    from engine.database.store import Store


def current_file(run: RunResult, folders: Iterable[Path]) -> Path | None:
    """The plug-in file that has the name of the run's strategy now."""
    files = (folder / f"{run.strategy}.py" for folder in folders)
    return next((file for file in files if file.is_file()), None)


def is_unchanged(run: RunResult, file: Path) -> bool:
    """Whether `file` and everything that it imported hold what the run executed."""
    return run.inputs is not None and are_unchanged(run.inputs["source"], file)


def write_stored(run: RunResult, store: Store, folder: Path) -> Path:
    """Write the source that the run executed into `folder`; gives the strategy's file. InputError where it is not held."""
    return _written(run.strategy, _source_of(run.inputs), store, folder, f"run {run.id[:8]}")


def write_sources_of(portfolio: PortfolioResult, store: Store, folder: Path) -> dict[str, Path]:
    """The same for the strategy of every leg, by its name, each in a folder of its own."""
    legs = (portfolio.inputs or {}).get("legs", {})
    return {
        leg.spec.strategy: _written(
            leg.spec.strategy,
            _source_of(legs.get(leg.name)),
            store,
            folder / leg.spec.strategy,
            f"portfolio {portfolio.id[:8]}",
        )
        for leg in portfolio.legs
    }


def _source_of(inputs: Mapping[str, Any] | None) -> dict[str, str]:
    return dict(inputs["source"]) if inputs else {}


def _written(strategy: str, names: Mapping[str, str], store: Store, folder: Path, whose: str) -> Path:
    held = store.sources.get(names.values())
    main = f"{strategy}.py"
    if main not in names or not held.keys() >= set(names.values()):
        raise InputError(
            f"{whose} did not store the source of {strategy}; only the file itself could say what it was"
        )
    for name, sha256 in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(held[sha256])
    return folder / main


def texts_of(run: RunResult, store: Store) -> dict[str, str | None]:
    """The files that the run executed, by name; None for what was not kept (runs of older versions)."""
    return _texts(_source_of(run.inputs) or {f"{run.strategy}.py": ""}, store)


def texts_of_portfolio(portfolio: PortfolioResult, store: Store) -> dict[str, str | None]:
    """The files that its legs executed, by name."""
    legs = (portfolio.inputs or {}).get("legs", {})
    return _texts({name: sha256 for one in legs.values() for name, sha256 in one["source"].items()}, store)


def _texts(names: Mapping[str, str], store: Store) -> dict[str, str | None]:
    held = store.sources.get(names.values())
    return {
        name: held[sha256].decode("utf-8", "replace") if sha256 in held else None
        for name, sha256 in names.items()
    }


def then_and_now(run: RunResult, store: Store, folders: Iterable[Path]) -> list[SourceFile]:
    """The files that the run executed beside what they hold today."""
    plug_in = current_file(run, folders)
    return [
        SourceFile(name, text, None if plug_in is None else _today(file_of(name, plug_in)))
        for name, text in texts_of(run, store).items()
    ]


def both(left: RunResult, right: RunResult, store: Store) -> list[SourceFile]:
    """The files that two runs executed; the strategies' own stand beside each other whatever they are called."""
    one, other = texts_of(left, store), texts_of(right, store)
    mine, theirs = f"{left.strategy}.py", f"{right.strategy}.py"
    found = [
        SourceFile(
            mine if mine == theirs else f"{mine} -> {theirs}", one.pop(mine, None), other.pop(theirs, None)
        )
    ]
    return found + [
        SourceFile(name, one.get(name), other.get(name)) for name in dict.fromkeys([*one, *other])
    ]


def sources_at(names: Iterable[str], plug_in: Path) -> dict[str, bytes]:
    """What the files that were executed for a plug-in hold now, by name; those that are gone are left out."""
    files = {name: file_of(name, plug_in) for name in names}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}


def _today(file: Path) -> str | None:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return None
