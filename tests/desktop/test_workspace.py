"""What is overlaid and shown when the stored runs arrive."""

from desktop.workspace import Workspace
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

CANDLES = random_candles(100)
OLD, NEW = run_on(CANDLES, "a" * 32), run_on(CANDLES, "b" * 32)


def test_the_newest_is_not_added_to_what_was_overlaid_at_the_last_start(qapp: object) -> None:
    workspace = Workspace()
    workspace.recall([OLD.id], OLD.id)  # older than those that come first
    workspace.fill([NEW])
    assert (workspace.checked, workspace.current) == ([], NEW.id)
    workspace.put([OLD])
    assert workspace.checked == [OLD.id]


def test_the_newest_is_overlaid_where_nothing_was(qapp: object) -> None:
    workspace = Workspace()
    workspace.fill([NEW, OLD])
    assert (workspace.checked, workspace.current) == ([NEW.id], NEW.id)
