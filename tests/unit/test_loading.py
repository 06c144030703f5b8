import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lexmax.encoders import Bm25, Encoders, load
from lexmax.encoders.loading import Parameter, Recipe, poolable
from lexmax.encoders.recipes import DENSE, MULTIVECTOR, PAIRS, SPARSE
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
        ("bm25", "no multi-vector encoder is called 'bm25'; expected one of colbert, "),
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
        "import sys, lexmax.encoders; lexmax.encoders.load('bm25');"
        "print(sorted({'torch', 'transformers', 'tokenizers', 'Stemmer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


class Named:
    """Stands for an encoder: what it was made of."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self.kind = kind
        self.values = dict(values)


def one_of_each() -> Encoders:
    def recipe(kind: str) -> Any:
        return Recipe({"n": Parameter(int)}, lambda values: Named(kind, values), has_path=True)

    return Encoders(
        sparse={"splade": recipe("sparse")},
        multivector={"colbert": poolable("colbert", recipe("multivector"))},
        dense={"dense": recipe("dense")},
        pairs={"yes-no": recipe("pairs")},
    )


def made(found: Any) -> Named:
    assert isinstance(found, Named)
    return found


def test_every_kind_has_a_shelf(tmp_path: Path) -> None:
    encoders = one_of_each()
    for name, get in [
        ("splade", encoders.sparse),
        ("colbert", encoders.multivector),
        ("dense", encoders.dense),
        ("yes-no", encoders.pairs),
    ]:
        spec = f"{name}:{tmp_path}?n=3"
        found = made(get(spec))
        assert found.values == {"n": 3, "path": str(tmp_path)}
        assert encoders.load(spec) is found


def test_names_stand_on_one_shelf_only() -> None:
    names = [name for shelf in (SPARSE, MULTIVECTOR, DENSE, PAIRS) for name in shelf]
    assert len(names) == len(set(names))


def test_paths_of_equal_meaning_give_the_same_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a model").mkdir()
    monkeypatch.chdir(tmp_path)
    encoders = one_of_each()
    found = encoders.dense("dense:a model")
    assert encoders.dense(f"dense:{tmp_path}/b/../a model") is found
    (tmp_path / "b" / "a model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "b")
    assert encoders.dense("dense:a model") is not found


def test_a_loaded_encoder_outlives_its_folder(tmp_path: Path) -> None:
    encoders = one_of_each()
    folder = tmp_path / "model"
    folder.mkdir()
    found = encoders.dense(f"dense:{folder}")
    folder.rmdir()
    assert encoders.dense(f"dense:{folder}?") is found
    with pytest.raises(EncoderError, match="model does not exist; expected the folder of a model"):
        one_of_each().dense(f"dense:{folder}")


def test_a_path_where_none_is_taken() -> None:
    with pytest.raises(EncoderError, match="bm25 takes no path; found '/a'; leave it out"):
        Encoders().sparse("bm25:/a")


def test_pooling_keeps_the_path(tmp_path: Path) -> None:
    encoders = one_of_each()
    pooled: Any = encoders.multivector(f"colbert:{tmp_path}?pool=ward&factor=2&n=4")
    assert made(pooled.encoder).values == {"n": 4, "path": str(tmp_path)}


def test_load_takes_names_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("bm25?k1=1.1") == Bm25(k1=1.1)
    config = {"architectures": ["BertForMaskedLM"]}
    (tmp_path / "bm25").mkdir()
    (tmp_path / "bm25" / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    encoders = one_of_each()
    for folder in (tmp_path / "bm25", Path("bm25"), "./bm25", f"{tmp_path}/bm25"):
        assert made(encoders.load(folder)).kind == "sparse"
    assert load("bm25") == Bm25()


def test_load_says_when_a_registry_has_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["HF_ColBERT"]}))
    with pytest.raises(EncoderError, match="this registry has no recipe of that name"):
        Encoders(multivector={}).load(tmp_path)
