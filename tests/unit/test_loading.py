import subprocess
import sys
import threading
from typing import Any

import pytest

from lexmax.encoders import Bm25, Encoders
from lexmax.encoders.loading import Parameter, Recipe
from lexmax.errors import EncoderError


def test_a_name_gives_the_defaults() -> None:
    assert Encoders().sparse("bm25") == Bm25()


def test_parameters_are_typed() -> None:
    spec = "bm25?k1=1.2&b=0.75&stemmer=english&stop_words=none&avg_doc_len=12.5"
    assert Encoders().sparse(spec) == Bm25(1.2, 0.75, "english", "none", 12.5)


def test_spec_of_an_encoder_gives_an_equal_one() -> None:
    fitted = Bm25(k1=1.1, stemmer="german").fitted(["eins zwei drei", "vier"])
    assert fitted.avg_doc_len == 2
    assert Encoders().sparse(fitted.spec) == fitted
    assert Encoders().sparse(Bm25().spec) == Bm25()


def test_equal_specs_give_the_same_instance() -> None:
    encoders = Encoders()
    assert encoders.sparse("bm25") is encoders.sparse("bm25?b=0.40&k1=.9")
    assert encoders.sparse("bm25") is not encoders.sparse("bm25?b=0.5")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "no sparse encoder is called ''; expected one of bm25"),
        ("bm26", "no sparse encoder is called 'bm26'; expected one of bm25"),
        ("minilm", "no sparse encoder is called 'minilm'"),
        ("bm25?k3=1", "bm25 has no parameter 'k3'; expected one of avg_doc_len, b, k1, stem"),
        ("bm25?k1=much", "bm25: k1 is 'much'; expected a number"),
        ("bm25?k1=", "bm25: k1 is ''; expected a number"),
        ("bm25?k1", "expected parameters as name=value"),
        ("bm25?k1=1&k1=1", "k1 is given twice"),
        ("bm25?k1=2000", "k1 is 2000.0; expected 0 to 1000"),
        ("bm25?stemmer=klingon", "stemmer 'klingon' is not known; expected one of"),
    ],
)
def test_what_is_unknown_is_refused_with_what_exists(spec: str, message: str) -> None:
    with pytest.raises(EncoderError) as caught:
        Encoders().sparse(spec)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bm25", "no multi-vector encoder is called 'bm25'; expected one of minilm"),
        ("minilm?max_tokens=1e2", "max_tokens is '1e2'; expected a whole number"),
        ("minilm?max_tokens=513", "max_tokens is 513; expected 3 to 512"),
    ],
)
def test_multi_vector_names_are_a_shelf_of_their_own(spec: str, message: str) -> None:
    with pytest.raises(EncoderError) as caught:
        Encoders().multivector(spec)
    assert message in str(caught.value)


def test_threads_that_ask_at_once_load_once() -> None:
    calls: list[Any] = []
    gate = threading.Event()

    def load(values: Any) -> Any:
        gate.wait(5)
        calls.append(dict(values))
        return object()

    encoders = Encoders(multivector={"slow": Recipe({"n": Parameter(int, 3)}, load)})
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(encoders.multivector("slow")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert calls == [{"n": 3}]
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_a_failed_load_is_tried_again() -> None:
    outcomes = [EncoderError("not now"), None]

    def load(values: Any) -> Any:
        if (error := outcomes.pop(0)) is not None:
            raise error
        return "loaded"

    encoders = Encoders(multivector={"shaky": Recipe({}, load)})
    with pytest.raises(EncoderError, match="not now"):
        encoders.multivector("shaky")
    assert encoders.multivector("shaky") == "loaded"


def test_the_room_is_entered_without_torch() -> None:
    script = (
        "import sys, lexmax.encoders; lexmax.encoders.Encoders().sparse('bm25');"
        "print(sorted({'torch', 'transformers', 'tokenizers', 'Stemmer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
