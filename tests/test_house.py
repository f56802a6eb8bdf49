"""The house stays a house: few floors, no circle, no more arrows than there are; a page of documents draws what is there."""

from pathlib import Path

import pytest

from tools.house import ROOT, House, build

FLOORS = 11
ARROWS = 136


@pytest.fixture(scope="module")
def house() -> House:
    """Every file of the program, read once."""
    return build()


@pytest.mark.long
def test_no_room_and_no_module_imports_itself_round_a_corner(house: House):
    assert (house.room_circles, house.circles) == ([], [])


@pytest.mark.long
def test_there_are_no_more_floors_and_arrows_than_were_agreed(house: House):
    assert max(house.floors.values()) + 1 <= FLOORS
    assert house.arrows <= ARROWS


def test_a_circle_and_a_corridor_are_seen(tmp_path: Path):
    files = {
        "engine/__init__.py": "", "desktop/__init__.py": "", "engine/errors.py": "",
        "engine/yard/__init__.py": "", "engine/yard/one.py": "from engine.yard import two\n",
        "engine/yard/two.py": "if False:\n    from engine.yard.one import x\nfrom engine.errors import y\n",
        "engine/door.py": "def f():\n    import engine.yard.one\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    house = build(tmp_path)
    assert house.circles == [["engine.yard.one", "engine.yard.two"]]
    assert house.room_circles == []
    assert [house.floors[f"engine.{room}"] for room in ("errors", "yard", "door")] == [0, 1, 2]
    assert house.arrows == 2


@pytest.mark.long
def test_the_page_about_the_house_names_every_room(house: House):
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {room.partition(".")[2] for room in house.rooms} - {""}
    assert not [room for room in rooms if room not in text]
