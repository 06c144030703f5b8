import os
from pathlib import Path

import pytest

from lexmax.encoders.specs import Parameter, Spec, absolute, written
from lexmax.errors import EncoderError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("minilm", ("minilm", None, "")),
        ("bm25?k1=1.2", ("bm25", None, "k1=1.2")),
        ("colbert:/a/b", ("colbert", "/a/b", "")),
        ("colbert:/a:b&c=d %41/é?pool=ward", ("colbert", "/a:b&c=d %41/é", "pool=ward")),
        ("colbert:", ("colbert", "", "")),
        ("splade:/a?queries=idf:/b?c", ("splade", "/a", "queries=idf:/b?c")),
        ("", ("", None, "")),
    ],
)
def test_a_spec_is_a_name_a_path_and_parameters(
    text: str, parts: tuple[str, str | None, str]
) -> None:
    found = Spec.parse(text)
    assert (found.name, found.path, found.parameters) == parts


def test_parameters_are_percent_decoded_and_the_path_is_not() -> None:
    spec = Spec.parse("yes-no:/a%20b?instruction=Find%20it%3F+now")
    assert spec.path == "/a%20b"
    assert spec.values({"instruction": Parameter(str)}) == {"instruction": "Find it? now"}


def test_values_are_those_given_or_the_defaults() -> None:
    parameters = {"n": Parameter(int, 3), "share": Parameter(float), "how": Parameter(str, "a")}
    assert Spec.parse("x?share=.5").values(parameters) == {"n": 3, "share": 0.5, "how": "a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x?m=1", "x has no parameter 'm'; expected one of n"),
        ("x?n=1&n=1", "x: n is given twice"),
        ("x?n=one", "x: n is 'one'; expected a whole number"),
        ("x?n", "expected parameters as name=value, joined by &"),
        ("x?path=1", "x has no parameter 'path'"),
    ],
)
def test_parameters_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(EncoderError) as caught:
        Spec.parse(text).values({"n": Parameter(int)})
    assert message in str(caught.value)


def test_a_name_without_parameters_says_so() -> None:
    with pytest.raises(EncoderError, match="x has no parameter 'n'; expected none"):
        Spec.parse("x?n=1").values({})


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert absolute("models/../mine") == str(tmp_path / "mine")
    assert absolute("~/mine") == "/home/someone/mine"
    assert written("colbert", "mine") == f"colbert:{tmp_path}/mine"


def test_symbolic_links_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    os.symlink(tmp_path / "first", tmp_path / "current")
    assert absolute(tmp_path / "current") == str(tmp_path / "current")


def test_a_tilde_of_nobody_is_part_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("~0") == str(tmp_path / "~0")
    assert absolute("~/x") == str(Path.home() / "x")


def test_a_question_mark_cannot_stand_in_a_path() -> None:
    with pytest.raises(EncoderError, match=r"/a\?b holds a question mark; .* rename the folder"):
        written("colbert", "/a?b")


def test_values_that_are_not_given_are_not_written() -> None:
    values = {"a": None, "b": 0, "c": "x & y=?z"}
    text = written("n", None, values)
    assert text == "n?b=0&c=x%20%26%20y%3D%3Fz"
    read = Spec.parse(text).values({"a": Parameter(str), "b": Parameter(int), "c": Parameter(str)})
    assert read == values
