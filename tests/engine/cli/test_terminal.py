"""What the command line prints is what was said: other people's text is no markup and commands no terminal."""

import pytest

from engine.cli.terminal import print_error, print_note, table
from engine.errors import one_line

TEXT = "a:b:c [red]x[/red] [bold"


def test_errors_and_notes_are_printed_as_they_were_said(capsys: pytest.CaptureFixture[str]):
    print_error(TEXT)
    print_note(TEXT)
    assert capsys.readouterr().err == f"error: {TEXT}\n{TEXT}\n"


def test_the_cells_of_a_table_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]):
    table("", ("kind", "other :b:"), [(TEXT, TEXT)], left=2)
    shown = capsys.readouterr().out
    assert shown.count(TEXT) == 2
    assert ":b:" in shown


def test_an_error_is_one_line_and_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]):
    print_error("first\r\nsecond\x1b[31m\x07 third\u2028fourth")
    assert capsys.readouterr().err == "error: first second [31m third fourth\n"
    assert one_line(" \x1b[2J\n") == "[2J"
