"""Model folders of a few kilobytes, saved by the libraries whose formats they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SparseEncoder
from sentence_transformers.sparse_encoder import modules
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_TEXT = """
    the a of to in and is for with vitamin d lower ##s ##ed ##ing risk fall cat dog search query
    document index retrieval learned sparse vector term weight tokyo 東 京 cafe naive ! . , ? - 5
    b c e l n o r s t ##a ##b ##c ##d ##e ##l ##n ##o ##r ##t
"""
MAX_LENGTH = 48
POSITIONS = 64

_SIZES = {"intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
_auto: Any = transformers


def vocabulary(n_pieces: int = 200) -> list[str]:
    """Pieces of the tiny models, by id."""
    pieces = [*SPECIAL, *_TEXT.split()]
    return pieces + [f"word{i}" for i in range(n_pieces - len(pieces))]


def word_piece_tokenizer(pieces: Sequence[str] | None = None) -> Any:
    """A tokenizer of BERT's kind."""
    names = vocabulary() if pieces is None else pieces
    known = {name: i for i, name in enumerate(names)}
    return _auto.BertTokenizer(vocab=known, model_max_length=MAX_LENGTH)


def byte_pair_tokenizer() -> Any:
    """A tokenizer of RoBERTa's kind."""
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer: Any = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ["vitamin d lowers the risk of falls, the cat and the dog"], trainer
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return _auto.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        mask_token="<mask>",
        pad_token="<pad>",
        sep_token="</s>",
        unk_token="<unk>",
    )


def masked_lm(family: str, n_terms: int, *, seed: int = 0) -> Any:
    """A masked language model with weights so large that all parts of it matter."""
    torch.manual_seed(seed)
    if family == "distilbert":
        config = _auto.DistilBertConfig(
            vocab_size=n_terms,
            dim=32,
            hidden_dim=64,
            n_layers=2,
            n_heads=2,
            max_position_embeddings=POSITIONS,
            initializer_range=0.3,
        )
        return _auto.DistilBertForMaskedLM(config)
    shared = {"vocab_size": n_terms, "hidden_size": 32, "initializer_range": 0.3, **_SIZES}
    if family == "roberta":
        config = _auto.RobertaConfig(
            max_position_embeddings=POSITIONS + 2, pad_token_id=1, **shared
        )
        return _auto.RobertaForMaskedLM(config)
    config = _auto.BertConfig(max_position_embeddings=POSITIONS, **shared)
    return _auto.BertForMaskedLM(config)


def save_masked_lm(folder: Path, family: str = "bert", *, seed: int = 0) -> Path:
    """A masked language model with its tokenizer; "bert", "distilbert" or "roberta"."""
    tokenizer = byte_pair_tokenizer() if family == "roberta" else word_piece_tokenizer()
    model = masked_lm(family, len(tokenizer), seed=seed)
    _shake_biases(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _shake_biases(model: Any) -> None:
    """Fresh biases are zero, and a zero that is lost would not show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)


def save_sparse_encoder(
    folder: Path, source: Path, *, pooling: str = "max", activation: str = "relu", **values: Any
) -> Path:
    """A SparseEncoder of sentence-transformers over a saved masked language model."""
    transformer = modules.Transformer(str(source), transformer_task="fill-mask", **values)
    encoder = SparseEncoder(modules=[transformer, _pooling(pooling, activation)], device="cpu")
    encoder.save(str(folder), create_model_card=False)
    return folder


def save_router(
    folder: Path, source: Path, weights: torch.Tensor, *, activation: str = "log1p_relu"
) -> Path:
    """Queries by a table, documents by a masked language model, as OpenSearch has it."""
    transformer = modules.Transformer(str(source), transformer_task="fill-mask")
    tokenizer: Any = transformer.tokenizer
    table = modules.SparseStaticEmbedding(tokenizer, weight=weights, frozen=True)
    router = modules.Router.for_query_document(
        query_modules=[table], document_modules=[transformer, _pooling("max", activation)]
    )
    encoder = SparseEncoder(modules=[router], device="cpu", similarity_fn_name="dot")
    encoder.save(str(folder), create_model_card=False)
    return folder


def save_two_transformers(folder: Path, queries: Path, documents: Path) -> Path:
    """A masked language model for queries and another one for documents."""
    sides = [
        [modules.Transformer(str(source), transformer_task="fill-mask"), _pooling("max", "relu")]
        for source in (queries, documents)
    ]
    router = modules.Router.for_query_document(query_modules=sides[0], document_modules=sides[1])
    encoder = SparseEncoder(modules=[router], device="cpu")
    encoder.save(str(folder), create_model_card=False)
    return folder


def save_table(folder: Path, weights: torch.Tensor) -> Path:
    """A table for both sides."""
    table = modules.SparseStaticEmbedding(word_piece_tokenizer(), weight=weights)
    SparseEncoder(modules=[table], device="cpu").save(str(folder), create_model_card=False)
    return folder


def save_auto_encoder(folder: Path, source: Path) -> Path:
    """A sparse autoencoder over pooled vectors (CSR)."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = modules.Transformer(str(source))
    pooled = Pooling(transformer.get_embedding_dimension())
    features = modules.SparseAutoEncoder(32, hidden_dim=64, k=8, k_aux=8)
    encoder = SparseEncoder(modules=[transformer, pooled, features], device="cpu")
    encoder.save(str(folder), create_model_card=False)
    return folder


def table_weights(n_terms: int, *, seed: int = 3) -> torch.Tensor:
    """Weights above zero but those of special tokens, (n_terms,)."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(n_terms, generator=generator) * 8 + 0.1
    weights[: len(SPECIAL)] = 0
    return weights


def library(folder: Path) -> Any:
    """The encoder that sentence-transformers makes of a folder."""
    return SparseEncoder(str(folder), device="cpu", local_files_only=True)


def _pooling(strategy: Any, activation: Any) -> Any:
    return modules.SpladePooling(pooling_strategy=strategy, activation_function=activation)
