"""The site is built whole, without a warning and without network, and every link in it leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOT


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    built = tmp_path / "site"
    offline = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", str(built)],
        cwd=ROOT, env=offline, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pages = {str(path.relative_to(built)): path.read_text(encoding="utf-8") for path in built.rglob("*.html")}
    assert {page.replace(".md", ".html") for page in PAGES} <= set(pages)
    for name, text in pages.items():
        loaded = re.findall(
            r"""<(?:script|img|iframe|source)\b[^>]*?\bsrc=["']([^"']+)|<link\b(?=[^>]*rel=["']?stylesheet)[^>]*?href=["']([^"']+)""",
            text,
        )
        assert not [one for pair in loaded for one in pair if one.startswith(("http:", "https:", "//"))], name
        assert not broken(built, name, text), name
    styles = "\n".join(path.read_text(encoding="utf-8") for path in built.rglob("*.css"))
    assert not re.findall(r"url\(\s*['\"]?(?:https?:)?//", styles)


def broken(built: Path, name: str, text: str) -> list[str]:
    """The links of a page whose file or anchor is not there."""
    found = []
    for link in re.findall(r'<a\b[^>]*?href="([^"]+)"', text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = ((built / name).parent / path).resolve() if path else built / name
        if not target.is_file() or (anchor and f'id="{anchor}"' not in target.read_text(encoding="utf-8")):
            found.append(link)
    return found
