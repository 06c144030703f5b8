from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from lexmax.encoders.specs import Parameter, Spec, absolute, written

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
PATHS = st.text(
    st.characters(exclude_characters="?\0", exclude_categories=["Cs"]), min_size=1, max_size=40
)
VALUES = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.text(st.characters(exclude_categories=["Cs"]))
)


@given(NAMES, PATHS, st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_is_read_again(
    name: str, path: str, values: dict[str, int | float | str]
) -> None:
    read = Spec.parse(written(name, path, values))
    assert read.name == name
    assert read.path is not None
    assert read.path == absolute(path)
    assert PurePosixPath(read.path).is_absolute()
    assert read.values({key: Parameter(type(value)) for key, value in values.items()}) == values


@given(st.text())
def test_every_text_has_a_name(text: str) -> None:
    spec = Spec.parse(text)
    again = spec.name + ("" if spec.path is None else f":{spec.path}")
    assert again == text.partition("?")[0]
