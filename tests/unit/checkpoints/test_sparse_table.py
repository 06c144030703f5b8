import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lexmax.encoders import Encoders
from lexmax.encoders.checkpoints.sparse_table import load_idf
from lexmax.encoders.contract import NamesTerms, SparseEncoder
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_checkpoints.word_piece_tokenizer().save_pretrained(folder)
    return folder / "tokenizer.json"


@pytest.fixture
def folder(tokenizer: Path, tmp_path: Path) -> Path:
    shutil.copy(tokenizer, tmp_path)
    return tmp_path


def weights_of(batch: SparseBatch, i: int = 0) -> dict[int, float]:
    term_ids, weights = batch.row(i)
    return dict(zip(term_ids.tolist(), weights.tolist(), strict=True))


def test_every_form_of_a_table_gives_the_same(folder: Path, tiny_checkpoints: ModuleType) -> None:
    weights = tiny_checkpoints.table_weights(200)
    names = tiny_checkpoints.vocabulary()
    (folder / "idf.json").write_text(json.dumps(dict(zip(names, weights.tolist(), strict=True))))
    save_file({"weight": weights}, folder / "one.safetensors")
    np.save(folder / "two.npy", weights.numpy())
    shutil.copy(folder / "one.safetensors", folder / "model.safetensors")

    texts = ["the cat falls", "dog"]
    made = [load_idf(path) for path in (folder, *sorted(folder.glob("???.*")))]
    assert len(made) == 4
    for encoder in made:
        batch = encoder.encode_documents(texts)
        assert weights_of(batch) == weights_of(made[0].encode_documents(texts))
        assert len(weights_of(batch)) == 4
    assert len({encoder.fingerprint for encoder in made}) == 1
    assert len({encoder.spec for encoder in made}) == 4


def test_terms_that_a_table_lacks_weigh_nothing(folder: Path) -> None:
    (folder / "idf.json").write_text('{"cat": 2.5, "dog": 0, "the": -1}')
    encoder = load_idf(folder)
    assert weights_of(encoder.encode_documents(["the cat, the dog, a"])) == {22: 2.5}
    assert encoder.term(22, []) == "cat"


def test_it_is_a_sparse_encoder_of_both_sides(folder: Path) -> None:
    (folder / "idf.json").write_text('{"cat": 2.5, "dog": 1.5}')
    encoder = load_idf(folder, duplicates="sum", max_tokens=9)
    assert isinstance(encoder, SparseEncoder)
    assert isinstance(encoder, NamesTerms)
    assert encoder.fitted(["x"]) is encoder
    assert encoder.spec == f"idf:{folder}?duplicates=sum&max_tokens=9"
    assert encoder.vocabulary([])[22] == "cat"


def test_the_fingerprint_follows_table_tokenizer_and_options(
    folder: Path, tiny_checkpoints: ModuleType
) -> None:
    (folder / "idf.json").write_text('{"cat": 2.5}')
    first = load_idf(folder).fingerprint
    assert f"vocabulary={load_idf(folder).table.pieces.vocabulary_hash}" in first
    seen = {first, load_idf(folder, duplicates="sum").fingerprint}
    seen.add(load_idf(folder, max_tokens=9).fingerprint)
    (folder / "idf.json").write_text('{"cat": 2.75}')
    seen.add(load_idf(folder).fingerprint)
    (folder / "idf.json").write_text('{"cat": 2.5}')
    (folder / "README.md").write_text("Not read.")
    assert load_idf(folder).fingerprint == first
    pieces = [*tiny_checkpoints.vocabulary()[:-1], "other"]
    tiny_checkpoints.word_piece_tokenizer(pieces).save_pretrained(folder)
    seen.add(load_idf(folder).fingerprint)
    assert len(seen) == 5


def test_the_tokenizers_limit_is_that_of_texts(folder: Path, tokenizer: Path) -> None:
    (folder / "idf.json").write_text('{"cat": 1, "dog": 1}')
    text = "the " * 48 + "cat"
    assert weights_of(load_idf(folder).encode_documents([text])) == {22: 1.0}
    shutil.copy(tokenizer.with_name("tokenizer_config.json"), folder)
    assert weights_of(load_idf(folder).encode_documents([text])) == {}


def test_no_model_library_is_imported(folder: Path) -> None:
    (folder / "idf.json").write_text('{"cat": 2.5}')
    code = (
        "import sys; from pathlib import Path\n"
        "from lexmax.encoders.checkpoints.sparse_table import load_idf\n"
        "load_idf(Path(sys.argv[1])).encode_documents(['cat'])\n"
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code, str(folder)]
    assert subprocess.check_output(run, text=True).strip() == "set()"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('{"cat": 1, "of-another": 2}', r"1 of its 2 terms, such as 'of-another', are no pieces"),
        ('{"dog": 1, "cat": "1.5"}', "the weight of 'cat' is no number"),
        ('{"cat": null}', "the weight of 'cat' is no number"),
        ('{"cat": true}', "the weight of 'cat' is no number"),
        ('{"cat": [1, 2]}', "the weight of 'cat' is no number"),
        (f'{{"cat": {10**400}}}', "NaN or infinity"),
        ('{"cat": NaN}', "NaN or infinity"),
        ('{"cat": 1e39}', "NaN or infinity"),
        ('{"cat": 1', "is damaged"),
        ("[1, 2]", "holds a list"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(folder: Path, written: str, message: str) -> None:
    (folder / "idf.json").write_text(written)
    with pytest.raises(EncoderError, match=message) as refused:
        load_idf(folder)
    assert "idf.json" in str(refused.value)


@pytest.mark.parametrize("shape", [(0,), (199,), (200, 1)])
def test_tables_of_another_shape_are_refused(folder: Path, shape: tuple[int, ...]) -> None:
    np.save(folder / "idf.npy", np.ones(shape, np.float32))
    with pytest.raises(EncoderError, match=r"idf\.npy: a table of shape .* 200 pieces"):
        load_idf(folder)


def test_damaged_and_strange_files_are_refused(folder: Path) -> None:
    path = folder / "idf.npy"
    for written in (b"", b"\x93NUMPY", np.array(["a"]).tobytes()):
        path.write_bytes(written)
        with pytest.raises(EncoderError, match=r"idf\.npy cannot be read"):
            load_idf(folder)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(EncoderError, match=r"idf\.npy cannot be read"):
        load_idf(folder)
    save_file({"a": torch.ones(200), "b": torch.ones(1)}, folder / "model.safetensors")
    with pytest.raises(EncoderError, match="holds 2 tensors; expected one"):
        load_idf(folder)
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(EncoderError, match="damaged or cut off"):
        load_idf(folder)


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(EncoderError, match=r"no table of weights; expected one of idf\.json"):
        load_idf(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "idf.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"lacks tokenizer\.json"):
        load_idf(folder)


def test_a_spec_gives_the_same_table_again(folder: Path) -> None:
    (folder / "other.json").write_text('{"cat": 2.5, "the": 0.5}')
    (folder / "idf.json").write_text('{"cat": 3.5, "the": 0.5}')
    for path in (folder, folder / "other.json"):
        encoder = load_idf(path, duplicates="sum")
        assert Encoders().sparse(encoder.spec).fingerprint == encoder.fingerprint
