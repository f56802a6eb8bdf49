"""Write the reference pages of docs/ from the program itself: `python -m tools.references`, a part of `make docs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from engine.cli.options import app
from engine.model.metric_definitions import DEFINITIONS, SUMMARY

DOCS: Final = Path(__file__).parents[1] / "docs"
_MADE: Final = "*Made by `python -m tools.references` from `{source}`: change that, then `make docs`.*"


def metrics_page() -> str:
    """Every metric with its definition, in the order in which tables show them."""
    rows = [
        f"| `{name}` | {one.title} | {one.unit} | {_cell(one.definition)} | {'yes' if name in SUMMARY else ''} |"
        for name, one in DEFINITIONS.items()
    ]
    fractions = [f"`{name}`" for name, one in DEFINITIONS.items() if one.unit == "fraction"]
    return _page(
        "Metrics",
        "engine.model.metric_definitions.py",
        f"All {len(DEFINITIONS)} figures of a run, as `backtest show`, JSON and the Metrics page name them. What has no "
        "value is null in JSON and a dash elsewhere. The [rules](rules.md#metrics) say what equity, days and trades are.",
        f"`_pct` is in percent; {', '.join(fractions[:-1])} and {fractions[-1]} are fractions; money is in the "
        "quote currency. A sweep keeps those marked in the last column for each trial, and `--objective` is one of them.",
        "\n".join(["| name | title | unit | definition | in sweeps |", "|---|---|---|---|---|", *rows]),
    )


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = [
        "\n\n".join([f"## backtest {name}", *_arguments(command), str(command.help), *_options(command)])
        for name, command in _below(typer.main.get_command(app))
    ]
    return _page(
        "All commands and options",
        "engine/cli",
        "What `backtest COMMAND --help` says of every command, in one place. [The command line](guide/command-line.md) says "
        "how values are written, what exit codes mean and what can be set. Besides its own every command has `--help`.",
        *parts,
    )


PAGES: Final[Mapping[str, Callable[[], str]]] = {"metrics.md": metrics_page, "commands.md": commands_page}


def _page(title: str, source: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *parts, _MADE.format(source=source)]) + "\n"


def _below(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The commands by what is typed, each before its own subcommands."""
    if path:
        yield " ".join(path), command
    for name, one in sorted(getattr(command, "commands", {}).items()):
        yield from _below(one, (*path, name))


def _arguments(command: Any) -> list[str]:
    shown = [
        f"`{param.name.upper()}{' ...' if param.nargs == -1 else ''}`: {param.help}"
        for param in command.params
        if param.param_type_name == "argument" and param.help
    ]
    return ["; ".join(shown)] if shown else []


def _options(command: Any) -> list[str]:
    rows = [
        f"| {_names(param)} | {_default(param)} | {_cell(param.help or '')} |"
        for param in command.params
        if param.param_type_name == "option" and param.name != "help"
    ]
    return ["\n".join(["| option | default | |", "|---|---|---|", *rows])] if rows else []


def _names(param: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))


def _default(param: Any) -> str:
    """What holds where nothing is given; nothing for switches and for what has none."""
    if param.required:
        return "needed"
    value = param.default
    if value is True:
        return f"`{param.opts[0]}`"
    if value is None or value is False or value in ("", [], ()):
        return ""
    return f"`{value}`"


def _cell(text: str) -> str:
    """A text as a cell of a table: a bar would end it."""
    return text.replace("|", r"\|")


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
