import json
import shutil
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from lexmax.encoders import Encoders, MultiVectorEncoder
from lexmax.encoders.checkpoints.late_interaction import load_late_interaction
from lexmax.encoders.shared_pass import SharedPass

TEXTS = [
    "late interaction, retrieval!",
    "a",
    "token search of the index " * 9,
    "Zebra. (42)",
    "unknown 東京, naïve café text",
]


@pytest.fixture
def library(parts: Callable[[str], Any]) -> Callable[..., Any]:
    """Builds a MultiVectorEncoder of sentence-transformers over a folder."""

    def build(folder: Path, *, prompts: Any = None, words: Any = (), **values: Any) -> Any:
        torch: Any = parts("base.modules.transformer.torch")
        torch.manual_seed(5)
        token = {"module_input_name": "token_embeddings"}
        dense, identity = parts("base.modules.dense.Dense"), torch.nn.Identity()
        mask = parts("multi_vector_encoder.modules.MultiVectorMask")
        modules = [
            parts("base.modules.Transformer")(str(folder), **values),
            dense(32, 24, activation_function=torch.nn.Tanh(), use_residual=True, **token),
            dense(24, 8, bias=False, activation_function=identity, **token),
            mask(skiplist_words=list(words)),
            parts("base.modules.Normalize")(**token),
        ]
        whole = parts("MultiVectorEncoder".join(["multi_vector_encoder.", ""]))
        return whole(modules=modules, prompts=prompts or {}, device="cpu")

    return build


def loaded_by_library(parts: Callable[[str], Any], folder: Path) -> Any:
    return parts("multi_vector_encoder.MultiVectorEncoder")(str(folder), device="cpu")


def check(folder: Path, model: Any, texts: Sequence[str] = TEXTS) -> MultiVectorEncoder:
    """Vectors of the folder are those of the library's model."""
    encoder = Encoders().load(folder)
    assert isinstance(encoder, MultiVectorEncoder)
    sides = [
        (encoder.encode_queries(texts), model.encode_query(list(texts))),
        (encoder.encode_documents(texts), model.encode_document(list(texts))),
    ]
    for found, expected in sides:
        assert found.dim == encoder.dim
        for i, vectors in enumerate(expected):
            assert found.row(i).shape == tuple(vectors.shape)
            np.testing.assert_allclose(found.row(i), vectors.numpy(), atol=1e-5)
    return encoder


PUNCTUATION = list(string.punctuation)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"document_length": 20, "query_length": 11},
        {"query_expansion": {"strategy": "fixed", "length": 12}},
        {"query_expansion": {"strategy": "fixed", "length": 12, "attend": True}},
        {"query_expansion": {"strategy": "min", "length": 9, "token": "[unused0]"}},
    ],
    ids=["plain", "lengths", "fixed", "attended", "at least"],
)
def test_vectors_are_those_of_sentence_transformers(
    plain_bert: Path,
    tmp_path: Path,
    library: Callable[..., Any],
    parts: Callable[[str], Any],
    values: Any,
) -> None:
    library(plain_bert, words=PUNCTUATION, **values).save(str(tmp_path))
    check(tmp_path, loaded_by_library(parts, tmp_path))


def test_prompts_and_special_tokens_in_them(
    tiny: Any, tmp_path: Path, library: Callable[..., Any], parts: Callable[[str], Any]
) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[D] "]})
    tiny.save(tmp_path / "base", tiny.bert(n_tokens=len(tokenizer)), tokenizer)
    prompts = {"query": "search query: ", "document": "[D] "}
    model = library(tmp_path / "base", prompts=prompts, words=["."])
    model.save(str(tmp_path / "model"))
    check(tmp_path / "model", loaded_by_library(parts, tmp_path / "model"))


def test_lower_casing_that_the_library_adds(
    tiny: Any, tmp_path: Path, library: Callable[..., Any], parts: Callable[[str], Any]
) -> None:
    tiny.save(tmp_path / "base", tiny.bert(), tiny.tokenizer(do_lower_case=False))
    library(tmp_path / "base").save(str(tmp_path / "model"))
    path = tmp_path / "model" / "sentence_bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_lower_case": True}))
    check(tmp_path / "model", loaded_by_library(parts, tmp_path / "model"))


@pytest.fixture
def pylate(plain_bert: Path, tiny: Any, tmp_path: Path) -> Path:
    """The layout that PyLate 1.x writes, by hand; `tests/golden/test_pylate.py` has a real one."""
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens(["[Q] ", "[D] "])
    tiny.save(tmp_path, tiny.bert(n_tokens=len(tokenizer)), tokenizer)
    dense = tmp_path / "1_Dense"
    dense.mkdir()
    write(
        dense / "config.json",
        in_features=32,
        out_features=8,
        bias=False,
        activation_function="torch.nn.modules.linear.Identity",
        use_residual=False,
    )
    tiny.torch.manual_seed(6)
    save_file({"linear.weight": tiny.torch.randn(8, 32)}, dense / "model.safetensors")
    (tmp_path / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": 0,
                    "name": "0",
                    "path": "",
                    "type": "sentence_transformers.models.Transformer",
                },
                {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
            ]
        )
    )
    write(tmp_path / "sentence_bert_config.json", max_seq_length=47, do_lower_case=False)
    write(
        tmp_path / "config_sentence_transformers.json",
        model_type="ColBERT",
        prompts={},
        query_prefix="[Q] ",
        document_prefix="[D] ",
        query_length=14,
        document_length=20,
        attend_to_expansion_tokens=False,
        skiplist_words=PUNCTUATION,
        do_query_expansion=True,
    )
    return tmp_path


def write(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(values))


def change(path: Path, **values: Any) -> None:
    write(path, **(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"do_query_expansion": False},
        {"attend_to_expansion_tokens": True, "skiplist_words": [",", "no piece"]},
        {"query_prefix": "[Q]: ", "prompts": {"query": "token "}},
        {"query_prefix": "", "skiplist_words": None},
    ],
    ids=["usual", "short", "attended", "text", "defaults"],
)
def test_pylate_folders_are_read_as_sentence_transformers_does(
    pylate: Path, parts: Callable[[str], Any], values: Any
) -> None:
    change(pylate / "config_sentence_transformers.json", **values)
    check(pylate, loaded_by_library(parts, pylate))


def test_pylate_of_before_model_type_was_written(pylate: Path) -> None:
    before = Encoders().load(pylate)
    change(pylate / "config_sentence_transformers.json", model_type=None)
    assert Encoders().load(pylate).spec == before.spec == f"colbert:{pylate}"


@pytest.fixture
def stanford(tiny: Any, tmp_path: Path) -> Path:
    """The layout of colbert-ir/colbertv2.0: the projection stands among BERT's weights."""
    tiny.save(tmp_path, tiny.bert("BertForMaskedLM"))
    change(tmp_path / "config.json", architectures=["HF_ColBERT"])
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if name.startswith("bert.")}
    tiny.torch.manual_seed(7)
    kept["linear.weight"] = tiny.torch.randn(8, 32)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    write(
        tmp_path / "artifact.metadata",
        query_token_id="[unused0]",
        doc_token_id="[unused1]",
        query_maxlen=16,
        doc_maxlen=24,
        mask_punctuation=True,
        attend_to_mask_tokens=False,
        similarity="cosine",
        dim=8,
    )
    return tmp_path


@pytest.mark.parametrize(
    "values",
    [{}, {"attend_to_mask_tokens": True, "mask_punctuation": False, "query_maxlen": 8}],
    ids=["usual", "otherwise"],
)
def test_stanford_checkpoints(stanford: Path, parts: Callable[[str], Any], values: Any) -> None:
    change(stanford / "artifact.metadata", **values)
    encoder = check(stanford, loaded_by_library(parts, stanford))
    assert encoder.dim == 8


def test_stanford_without_metadata_has_the_usual_markers(stanford: Path) -> None:
    expected = load_late_interaction(stanford, query_length=32, document_length=24)
    (stanford / "artifact.metadata").unlink()
    found = load_late_interaction(stanford, document_length=24)
    np.testing.assert_array_equal(
        found.encode_queries(TEXTS).vectors, expected.encode_queries(TEXTS).vectors
    )


def test_queries_that_are_filled_up_have_one_length(stanford: Path) -> None:
    queries = load_late_interaction(stanford).encode_queries(["token", "late token search"])
    assert [len(queries.row(i)) for i in range(2)] == [16, 16]


def test_every_vector_has_the_name_of_its_token(stanford: Path) -> None:
    encoder = load_late_interaction(stanford)
    (names,) = encoder.token_texts(["late token search"], queries=True)
    assert names[:2] == ["[CLS]", "[unused0]"]
    assert names[-1] == "[MASK]"
    for queries in (False, True):
        encode = encoder.encode_queries if queries else encoder.encode_documents
        rows = encoder.token_texts(TEXTS, queries=queries)
        assert [len(row) for row in rows] == np.diff(encode(TEXTS).offsets).tolist()


def test_texts_without_words_have_no_vectors(stanford: Path) -> None:
    encoder = load_late_interaction(stanford)
    for found in (encoder.encode_documents, encoder.encode_queries):
        assert found(["", " \n", "\u200b"]).vectors.shape == (0, 8)
        assert len(found([])) == 0


def test_names_of_special_tokens_in_a_text_are_text(stanford: Path) -> None:
    encoder = load_late_interaction(stanford)
    marked, plain = encoder.encode_documents(["[MASK]", "mask"]).offsets[1:]
    assert marked > 2  # [CLS], the marker, pieces of "mask", [SEP]; brackets are skipped.
    assert plain - marked == marked


def test_batch_equals_single(stanford: Path) -> None:
    encoder = load_late_interaction(stanford)
    texts = TEXTS * 30
    together = encoder.encode_documents(texts)
    for i in range(len(TEXTS)):
        alone = encoder.encode_documents([texts[i]])
        np.testing.assert_allclose(together.row(i), alone.vectors, atol=1e-5)
        np.testing.assert_allclose(together.row(i + 100), together.row(i), atol=1e-5)


def test_encoders_over_one_folder_share_a_pass(stanford: Path) -> None:
    whole, short = load_late_interaction(stanford), load_late_interaction(stanford, query_length=9)
    assert whole.backbone is short.backbone
    heads = [whole.query_head(), short.query_head(), whole.document_head()]
    queries, shorter, documents = SharedPass(heads, TEXTS).run()
    for found, expected in (
        (queries, whole.encode_queries(TEXTS)),
        (shorter, short.encode_queries(TEXTS)),
        (documents, whole.encode_documents(TEXTS)),
    ):
        np.testing.assert_array_equal(found.offsets, expected.offsets)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)


def test_lengths_of_the_spec_are_those_of_the_encoder(stanford: Path) -> None:
    encoders = Encoders()
    spec = f"colbert:{stanford}?query_length=9&document_length=12"
    encoder = encoders.multivector(spec)
    assert encoder.spec == spec
    assert len(encoder.encode_queries(["token"]).row(0)) == 9
    assert encoder.fingerprint != encoders.multivector(f"colbert:{stanford}").fingerprint


def test_fingerprints_stay_where_the_folder_goes_and_change_with_its_files(
    stanford: Path, tmp_path: Path
) -> None:
    found = load_late_interaction(stanford).fingerprint
    other = shutil.copytree(stanford, tmp_path / "elsewhere")
    assert load_late_interaction(other).fingerprint == found
    change(other / "artifact.metadata", mask_punctuation=False)
    assert load_late_interaction(other).fingerprint != found


def test_pooling_is_part_of_the_spec(stanford: Path) -> None:
    encoder = Encoders().multivector(f"colbert:{stanford}?pool=spacing&factor=2")
    whole = Encoders().multivector(f"colbert:{stanford}")
    texts = ["token search late text"]
    assert len(encoder.encode_documents(texts).vectors) == 4
    assert len(whole.encode_documents(texts).vectors) == 7
    assert Encoders().multivector(encoder.spec).fingerprint == encoder.fingerprint
