"""Values that no option takes, and that each command and option says what it is."""

import pytest

from tests.engine.cli.test_commands import MONTH, RUN, SERIES
from tests.support.command_line import CommandLine


def test_every_command_has_help():
    import typer.main

    from engine.cli.options import app

    def commands(group, path=()):
        for name, command in group.commands.items():
            yield (*path, name), command
            if hasattr(command, "commands"):
                yield from commands(command, (*path, name))

    found = dict(commands(typer.main.get_command(app)))
    assert {
        ("fetch",),
        ("status",),
        ("run",),
        ("runs", "delete"),
        ("doctor",),
        ("demo",),
        ("desktop",),
    } <= set(found)
    assert all(command.help for command in found.values())


WRONG_VALUES = {
    "underscores in a number": ((*RUN, "-S", "ema_cross", "--cash", "1_000"), "'--cash': '1_000' is not a number"),
    "no number": ((*RUN, "-S", "ema_cross", "--size", "nan"), "'--size': 'nan' is not a number"),
    "endless": ((*RUN, "-S", "ema_cross", "--size", "inf"), "'--size': 'inf' is not a number"),
    "other digits": (("runs", "--limit", "\u0663"), "is not a whole number of at least 1 and at most 100,000"),
    "too few": (("sweeps", "--limit", "0"), "'--limit': 0 is not a whole number of at least 1"),
    "underscores in a parameter": ((*RUN, "-S", "ema_cross", "--param", "fast=1_0"), "not '1_0'"),
    "a folder without a name": (("export", "1234", "--out", ""), "'--out': the name is empty; name a folder"),
    "a folder of blanks": (("demo", "--out", "  "), "'--out': the name is empty; name a folder"),
    "a file without a name": (("candles", *SERIES, *MONTH, "--out", ""), "'--out': the name is empty; name a file"),
    "an import without a name": (("import", "", "-s", "SAMPLEUSDT", "-t", "1h"), "'FILE': the name is empty; name a file"),
    "a file where a folder is meant": (("export", "1234", "--out", __file__), "is a file; name a folder"),
    "a file above the folder": (("demo", "--out", f"{__file__}/a/b"), "is a file; name a folder"),
    "a folder where a file is meant": (("candles", *SERIES, *MONTH, "--out", "/"), "/ is a folder; name a file"),
    "a start in the future": (
        ("symbols", "add", "SAMPLEUSDT", "--exchange", "sample", "-t", "1h", "--start", "2090-01-01"),
        "2090-01-01 00:00 UTC lies in the future: sample's clock shows 2025-01-01 00:00 UTC; nothing was changed"),
    "a start after all years": (
        ("symbols", "add", "SAMPLEUSDT", "--exchange", "sample", "-t", "1h", "--start", "2290-01-01"), "years 1970 to 2199"),
    "an offset of a date": (("fetch", *SERIES, "--start", "2023-03-01+05:00", *MONTH[2:]), "is not a date or time"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), WRONG_VALUES.values(), ids=WRONG_VALUES.keys())
def test_a_value_that_could_mean_something_else_is_refused_by_its_option(
    cli: CommandLine, arguments: tuple[str, ...], words: str
) -> None:
    answer = cli(*arguments)
    assert words in answer.error
    assert answer.code == 2


@pytest.mark.parametrize(
    "command",
    [("fetch", *SERIES), ("status", *SERIES), (*RUN[:7], "-S", "ema_cross")],
    ids=["fetch", "status", "run"],
)
def test_a_period_that_lies_in_the_future_is_refused_everywhere(
    cli: CommandLine, command: tuple[str, ...]
) -> None:
    answer = cli(*command, "--start", "2090-01-01", "--end", "2090-02-01")
    assert answer.code == 2
    assert "2025-01-01" in answer.error or "future" in answer.error or "closed" in answer.error
