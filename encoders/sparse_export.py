"""How is a learned sparse model given to sentence-transformers?"""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lexmax.encoders.heads.mlm import MlmHead
from lexmax.encoders.heads.transform import Transform
from lexmax.encoders.sparse_encoding import TableEncoding, query_encoding, trained_pruning
from lexmax.encoders.sparse_model import Mlm, repeats_of
from lexmax.encoders.sparse_parts import SparseParts
from lexmax.encoders.sparse_sides import Side, TermSide, TokenSide
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError

_ACTIVATIONS = {("relu", "log1p", False): "relu", ("relu", "log1p", True): "log1p_relu"}


def export_sentence_transformers(parts: SparseParts, folder: Path) -> None:
    """Write a SparseEncoder folder of sentence-transformers, 5.4 and later.

    Its weights are those of this model for every text that has a token. It has one limit for the
    length of queries and documents where they share a transformer: that of the documents.

    Args:
        parts: The model. Documents must be `Mlm` with markers, because that library counts [CLS]
            and [SEP] as positions; queries the same, or looked up with duplicates as a set.
        folder: Where to write.

    Raises:
        EncoderError: if that library has no module for a part of the model.
    """
    documents = _refused_or_mlm(parts, parts.document, of_query=False)
    if trained_pruning(parts).document.top_k is not None:
        raise _inexpressible("it keeps the largest weights of a document only, which is an option")
    with TemporaryDirectory() as scratch, _no_progress_bars():
        encoder = _modules_of("sparse_encoder")
        parts_of = _Exported(parts, Path(scratch))
        by_documents = [parts_of.transformer("document", parts.documents, documents)]
        by_documents.append(parts_of.pooling(documents))
        if parts.query is parts.document:
            modules = by_documents
        else:
            by_queries = parts_of.queries()
            router = _modules_of("sparse_encoder.modules").Router
            modules = [
                router.for_query_document(query_modules=by_queries, document_modules=by_documents)
            ]
        built = encoder.SparseEncoder(modules=modules, device="cpu", similarity_fn_name="dot")
        built.save(str(folder), create_model_card=False)


@contextmanager
def _no_progress_bars() -> Generator[None, None, None]:
    logging: Any = importlib.import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


class _Exported:
    """Modules of that library, made from folders that need not stay."""

    def __init__(self, parts: SparseParts, scratch: Path) -> None:
        self._parts = parts
        self._scratch = scratch

    def queries(self) -> list[Any]:
        parts = self._parts
        if not isinstance(parts.query, TokenSide):
            head = _refused_or_mlm(parts, parts.query, of_query=True)
            return [self.transformer("query", parts.queries, head), self.pooling(head)]
        if repeats_of(parts.model.query, of_query=True) == "sum":
            raise _inexpressible("repeated tokens of a query add up, and there they count once")
        looked_up = query_encoding(parts, trained_pruning(parts))
        if not isinstance(looked_up, TableEncoding):
            raise _inexpressible("its queries are not looked up in a table")
        table = _modules_of("sparse_encoder.modules").SparseStaticEmbedding
        weights = torch.as_tensor(looked_up.table().weights)
        return [table(_tokenizer(parts.queries, parts.limits.query), weight=weights, frozen=True)]

    def transformer(self, name: str, trunk: Trunk, head: MlmHead) -> Any:
        limits = self._parts.limits
        limit = limits.document if name == "document" else limits.query
        folder = self._scratch / name
        _masked_lm(trunk, head).save_pretrained(folder)
        _tokenizer(trunk, limit).save_pretrained(folder)
        module = _modules_of("sparse_encoder.modules").Transformer
        return module(str(folder), transformer_task="fill-mask", max_seq_length=limit)

    def pooling(self, head: MlmHead) -> Any:
        weighting = head.weighting
        key = (weighting.activation, weighting.norm, weighting.log1p_twice)
        if key not in _ACTIVATIONS:
            raise _inexpressible(f"its weights are {weighting.norm}({weighting.activation}(logit))")
        return _modules_of("sparse_encoder.modules").SpladePooling(
            pooling_strategy=head.pool, activation_function=_ACTIVATIONS[key]
        )


def _modules_of(name: str) -> Any:
    return importlib.import_module(f"sentence_transformers.{name}")


def _inexpressible(why: str) -> EncoderError:
    return EncoderError(
        f"this model cannot be a SparseEncoder of sentence-transformers: {why}; "
        "expected Mlm with markers on the documents' side; save it as a folder of lexmax instead"
    )


def _refused_or_mlm(parts: SparseParts, side: Side, *, of_query: bool) -> MlmHead:
    encoder = parts.model.query if of_query else parts.model.document
    if not isinstance(encoder, Mlm) or not isinstance(side, TermSide):
        raise _inexpressible(f"one of its encoders is {type(encoder).__name__}")
    if not isinstance(side.head, MlmHead) or not side.markers:
        raise _inexpressible("[CLS] and [SEP] are no positions of a text in it")
    return side.head


def _masked_lm(trunk: Trunk, head: MlmHead) -> Any:
    """The model of `transformers` that gives the head's logits, with a copy of all weights."""
    transformers = importlib.import_module("transformers")
    random: Any = importlib.import_module("torch.random")
    values = {key: value for key, value in trunk.config.items() if key != "model_type"}
    config = transformers.AutoConfig.for_model(trunk.config["model_type"], **values)
    config.tie_word_embeddings = head.decoder is trunk.embeddings
    with random.fork_rng(devices=[]):
        model = transformers.AutoModelForMaskedLM.from_config(config)
    base = {
        name: value
        for name, value in trunk.backbone.model.state_dict().items()
        if "pooler" not in name
    }
    model.base_model.load_state_dict(base, strict=False)
    theirs = MlmHead.from_masked_lm(model)
    _require_equal_transforms(theirs.transform, head.transform)
    theirs.load_state_dict(head.state_dict())
    return model.eval()


def _require_equal_transforms(theirs: torch.nn.Module, ours: torch.nn.Module) -> None:
    described = [
        (one.activation, getattr(one.norm, "eps", None))
        for one in (theirs, ours)
        if isinstance(one, Transform)
    ]
    if len(described) != 2 or described[0] != described[1]:
        raise _inexpressible("the head's activation or norm is not that of its transformer's kind")


def _tokenizer(trunk: Trunk, limit: int) -> Any:
    transformers: Any = importlib.import_module("transformers")
    tokenizers: Any = importlib.import_module("tokenizers")
    names, pieces = trunk.pieces.names, trunk.pieces
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(trunk.tokenizer.decode()),
        model_max_length=limit,
        pad_token=names[trunk.backbone.pad_id],
        cls_token=names[int(pieces.before[0])],
        sep_token=names[int(pieces.after[-1])],
        **{
            role: name
            for role, known in _OTHER_ROLES.items()
            for name in known
            if name in names.values()
        },
    )


_OTHER_ROLES = {"unk_token": ("[UNK]", "<unk>"), "mask_token": ("[MASK]", "<mask>")}
