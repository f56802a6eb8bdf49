"""Contents on another machine: only what was announced gets in, nothing leads out of the folder, the folder has an end."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.parallel.content import Content, ContentFolder, Damaged
from engine.parallel.parcel import Places, differences


def content(data: bytes) -> Content:
    return Content.of(lambda: [data])


def send(folder: ContentFolder, one: Content, transfer: str = "t") -> None:
    pieces = list(one.messages())
    for number, piece in enumerate(pieces):
        folder.receive(one.sha256, transfer, piece, last=number == len(pieces) - 1)


def test_a_content_arrives_in_pieces_and_is_whole_readable_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("engine.parallel.content.PART_BYTES", 1_000)
    column = np.arange(1_000.0)
    one = Content.of(lambda: [b"head", column.data])
    folder = ContentFolder(tmp_path / "own")
    assert folder.lacking([one.sha256]) == [one.sha256]
    send(folder, one)
    assert folder.lacking([one.sha256]) == []
    assert folder.path(one.sha256).read_bytes() == b"head" + column.tobytes()
    assert stat.S_IMODE(folder.path(one.sha256).stat().st_mode) == 0o400
    assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700
    assert ContentFolder(tmp_path / "own").lacking([one.sha256]) == [], "the next process finds it"


def test_other_bytes_than_announced_and_other_names_are_refused_and_leave_nothing(tmp_path: Path):
    folder = ContentFolder(tmp_path)
    with pytest.raises(Damaged, match="arrived with other bytes"):
        folder.receive(content(b"right").sha256, "t", b"wrong", last=True)
    for name in ("../x", "a" * 63, "A" * 64, f"{'a' * 64}/..", ""):
        with pytest.raises(Damaged, match="names no content"):
            folder.receive(name, "t", b"", last=True)
        with pytest.raises(Damaged):
            folder.lacking([name])
    assert [path.name for path in tmp_path.iterdir()] == ["trees"]


def test_what_was_damaged_on_the_disk_is_lacking_again(tmp_path: Path):
    one = content(b"x" * 100)
    send(ContentFolder(tmp_path), one)
    (tmp_path / one.sha256).chmod(0o600)
    (tmp_path / one.sha256).write_bytes(b"y" * 100)
    folder = ContentFolder(tmp_path)
    assert folder.lacking([one.sha256]) == [one.sha256]
    assert not (tmp_path / one.sha256).exists()


def test_past_the_limit_what_was_not_used_for_longest_goes_but_nothing_that_is_held(tmp_path: Path):
    folder = ContentFolder(tmp_path, limit_bytes=2_500)
    contents = [content(bytes([n]) * 1_000) for n in range(4)]
    for n, one in enumerate(contents[:2]):
        send(folder, one)
        os.utime(folder.path(one.sha256), (n, n))
    with folder.held([contents[0].sha256]):
        send(folder, contents[2])
        assert folder.lacking([one.sha256 for one in contents[:3]]) == [contents[1].sha256]
    with pytest.raises(Damaged, match="more than 2,500 bytes"):
        send(folder, content(b"z" * 3_000))
    assert not list(tmp_path.glob("*.part"))


def test_two_senders_of_one_content_do_not_disturb_each_other(tmp_path: Path):
    folder, one = ContentFolder(tmp_path), content(b"abcdef")
    folder.receive(one.sha256, "first", b"abc", last=False)
    folder.receive(one.sha256, "second", b"abcdef", last=True)
    folder.receive(one.sha256, "first", b"def", last=True)
    assert folder.lacking([one.sha256]) == []


@pytest.mark.parametrize(
    "name", ["../evil.py", "/evil.py", "a/../../evil.py", "a//b.py", "c:evil.py", "a\\b.py", ""]
)
def test_a_module_cannot_be_written_outside_of_its_folder(tmp_path: Path, name: str):
    folder, one = ContentFolder(tmp_path / "own"), content(b"x = 1\n")
    send(folder, one)
    with pytest.raises(Damaged, match="no name of a module"):
        folder.tree({name: one.sha256})
    assert not list(tmp_path.rglob("evil.py"))


def test_the_same_files_have_one_folder_which_is_mended(tmp_path: Path):
    folder, one = ContentFolder(tmp_path), content(b"x = 1\n")
    send(folder, one)
    files = {"mine.py": one.sha256, "package/part.py": one.sha256}
    tree = folder.tree(files)
    (tree / "mine.py").write_bytes(b"x = 2\n")
    assert folder.tree(files) == tree
    assert (tree / "mine.py").read_bytes() == (tree / "package" / "part.py").read_bytes() == b"x = 1\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of that kind")
def test_a_folder_belongs_to_one_living_process_and_the_next_one_inherits_it(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from engine.parallel.content import ContentFolder\n"
        f"print(ContentFolder.claimed(Path({str(tmp_path)!r})).folder.name, flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "0\n"
    second = subprocess.run(
        [sys.executable, "-c", code], input="", capture_output=True, text=True, check=True
    )
    assert second.stdout == "1\n"
    first.kill()
    first.communicate()
    third = subprocess.run([sys.executable, "-c", code], input="", capture_output=True, text=True, check=True)
    assert third.stdout == "0\n"


def test_paths_are_put_into_texts_whole_and_all_at_once():
    places = Places({"/app": "/home/me/app", "/home/me": "/elsewhere", "/cache/trees/ab": "/home/me/plugins"})
    said = {'File "/cache/trees/ab/x.py", line 3': ["/app/engine/a.py", ("/apple /home/men /x/app", 7, None)]}
    assert places.as_there(said) == {
        'File "/home/me/plugins/x.py", line 3': [
            "/home/me/app/engine/a.py",
            ["/apple /home/men /x/app", 7, None],
        ]
    }
    assert Places({}).as_there("/app") == "/app"


def test_differences_are_named():
    assert differences({"numpy": "2", "a": "1"}, {"numpy": "1", "b": "3"}) == (
        "a missing there, 1 here, b 3 there, missing here, numpy 1 there, 2 here"
    )
    assert hashlib.sha256(b"").hexdigest() == content(b"").sha256
