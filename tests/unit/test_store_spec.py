import pytest

from lexmax.errors import InputError
from lexmax.index.stores.spec import StoreSpec, chosen, fitted, parse_store

TEXTS = [
    "flat",
    "sq8",
    "bits",
    "bits?refine=4",
    "pq4",
    "pq8",
    "opq4",
    "opq8?refine=3&sub_dim=8",
    "pq4?refine=2&sub_dim=1",
    "ivf-pq4?lists=70&nprobe=8",
    "ivf-pq8?refine=4&lists=1",
    "hnsw",
    "hnsw?m=32&ef=800",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_spec_is_its_text(text: str) -> None:
    assert parse_store(text).text == text


def test_knobs_that_are_as_usual_are_left_out() -> None:
    assert parse_store("hnsw?ef=800&m=16").text == "hnsw?ef=800"
    assert parse_store("pq4?refine=0") == parse_store("pq4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one of flat, sq8"),
        ("pq5", "found no candidate store 'pq5'"),
        ("flat?refine=2", "'refine'; expected one of none"),
        ("pq4?nprobe=3", "'nprobe'; expected one of refine, sub_dim"),
        ("pq4?", "found the knob ''"),
        ("pq4?refine", "refine is ''; expected 0 to 1000"),
        ("pq4?refine=-1", "refine is '-1'"),
        ("pq4?refine=1001", "expected 0 to 1000"),
        ("pq4?refine=٤", "refine is"),
        ("pq4?sub_dim=0", "expected 1 to 64"),
        ("hnsw?m=1", "expected 2 to 256"),
        ("ivf-pq4?nprobe=0", "expected 1 to 65535"),
    ],
)
def test_texts_that_name_nothing(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_store(text)


@pytest.mark.parametrize(
    ("text", "multiple"),
    [
        *[(name, 1) for name in ("flat", "sq8", "bits", "hnsw")],
        *[(name, 4) for name in ("pq4", "pq8", "ivf-pq4")],
        ("pq4?sub_dim=3", 6),
        ("opq8?sub_dim=2", 2),
    ],
)
def test_documents_have_whole_bytes(text: str, multiple: int) -> None:
    assert parse_store(text).multiple == multiple


def test_the_number_of_lists_is_fitted_to_the_vectors() -> None:
    assert fitted(parse_store("ivf-pq4"), 10_000, 64).lists == 100
    assert fitted(parse_store("ivf-pq4?lists=500"), 30, 64).lists == 30
    assert fitted(parse_store("ivf-pq4"), 10**10, 64).lists == 65535
    assert fitted(parse_store("pq4"), 10_000, 64) == parse_store("pq4")


def test_too_few_coordinates_are_kept_flat() -> None:
    assert fitted(parse_store("pq8"), 10_000, 3) == StoreSpec("flat")
    assert fitted(parse_store("sq8"), 10_000, 3).name == "sq8"


def test_the_number_of_documents_chooses() -> None:
    assert [chosen(n, 64).text for n in (1, 999, 1000, 10**6)] == ["flat", "flat", "pq4", "pq4"]
    assert chosen(10**6, 15).text == "flat"
