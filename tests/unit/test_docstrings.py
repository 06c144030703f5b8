import subprocess
import sys
from pathlib import Path

import pytest

from lexmax import docstrings
from lexmax.docstrings import LONGEST, SHORTEST, docstring_passages
from lexmax.types import Document

SOURCE = '''
"""A module about nothing much, documented at some length."""

try:
    import fast
except ImportError:
    def fallback():
        """Stands in where the fast module is not to be had at all."""

class Shape(object):
    """A shape with corners.

        Indented further than the rest, which cleaning removes.
    """

    def area(self):
        """Surface of the shape, in the square of its own unit."""
        def inner():
            """Not reachable from outside, so nobody needs to find this."""

    def area(self):
        """A second definition of the same name, which is left out."""

    def _hidden(self):
        """Private, so nobody needs to find this documentation string."""

    def short(self):
        """Too short."""

async def fetch(pattern="\\d"):
    """%s"""
'''


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stdlib, site = tmp_path / "stdlib", tmp_path / "site"
    paths = {"stdlib": str(stdlib), "purelib": str(site)}
    monkeypatch.setattr(docstrings.sysconfig, "get_path", paths.__getitem__)
    write(stdlib / "pkg" / "shapes.py", SOURCE % ("One paragraph. " * 20 + "\n\n" + "More. " * 60))
    return tmp_path


def write(path: Path, source: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source if isinstance(source, bytes) else source.encode())


def ids(limit: int = 1000) -> list[str]:
    return [passage.doc_id for passage in docstring_passages(limit)]


def test_public_names_in_the_order_of_the_file(installation: Path) -> None:
    assert ids() == [
        "pkg.shapes",
        "pkg.shapes.fallback",
        "pkg.shapes.Shape",
        "pkg.shapes.Shape.area",
        "pkg.shapes.fetch",
    ]


def test_a_passage(installation: Path) -> None:
    assert list(docstring_passages())[2] == Document(
        "pkg.shapes.Shape",
        "A shape with corners.\n\nIndented further than the rest, which cleaning removes.",
        "pkg.shapes.Shape",
        {"module": "pkg.shapes", "kind": "class", "file": "pkg/shapes.py"},
    )


def test_long_strings_keep_whole_paragraphs(installation: Path) -> None:
    assert list(docstring_passages())[-1].text == ("One paragraph. " * 20).strip()


@pytest.mark.parametrize("text", ["x" * 900, "word " * 200, "line of words\n" * 90])
def test_long_paragraphs_are_cut_between_words(text: str) -> None:
    short = docstrings._shortened(text)
    assert text.startswith(short)
    assert LONGEST // 2 < len(short) <= LONGEST
    assert short.split() == text.split()[: len(short.split())] or " " not in text


def test_tests_private_and_foreign_modules_are_left_out(installation: Path) -> None:
    before = ids()
    for name in [
        "test/a.py",
        "pkg/tests/b.py",
        "_private.py",
        "site-packages/c.py",
        "not-a-name.py",
    ]:
        write(installation / "stdlib" / name, f'"""{"Nobody should find this. " * 3}"""')
    assert ids() == before


@pytest.mark.parametrize(
    "source", [b"def broken(:", b"# coding: klingon\n", b"\xff\xfe\xff", b"\x00", b"(" * 5000]
)
def test_files_that_do_not_parse_are_left_out(installation: Path, source: bytes) -> None:
    before = ids()
    write(installation / "stdlib" / "broken.py", source)
    assert ids() == before


def test_a_package_has_its_own_name(installation: Path) -> None:
    write(installation / "stdlib" / "pkg" / "__init__.py", f'"""{"A package. " * 5}"""')
    assert ids()[0] == "pkg"


def test_more_than_the_limit_are_taken_evenly(installation: Path) -> None:
    everything = ids()
    assert ids(2) == [everything[0], everything[2]]
    assert ids(0) == []


def test_numpy_fills_up(installation: Path) -> None:
    for name in ("numpy/one.py", "numpy/two.py", "scipy/three.py"):
        write(installation / "site" / name, f'"""{"Somebody may look for this. " * 2}"""')
    assert ids()[-2:] == ["numpy.one", "numpy.two"]
    assert ids(6)[-1] == "numpy.one"
    assert ids(5)[-1] == "pkg.shapes.fetch"


def test_this_installation_has_thousands_and_imports_nothing() -> None:
    script = (
        "import sys; from lexmax.docstrings import docstring_passages; before = set(sys.modules);"
        "found = list(docstring_passages());"
        "print(len(found) > 3000, len({p.doc_id for p in found}) == len(found),"
        "'json.decoder.JSONDecoder.decode' in {p.doc_id for p in found},"
        f"min(len(p.text) for p in found) >= {SHORTEST},"
        f"max(len(p.text) for p in found) <= {LONGEST},"
        "{name for name in set(sys.modules) - before"
        " if not name.startswith(('encodings', '_sysconfigdata'))})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True True True True True set()\n", "")
