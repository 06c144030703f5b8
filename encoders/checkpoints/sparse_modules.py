"""What does the folder of a sparse encoder say about each side?

Folders of sentence-transformers list their modules: a masked language model with SPLADE pooling, a
table of weights, or a router that has one or the other for queries and for documents. A folder
without such a list is a masked language model, which is read as SPLADE-max; where an `idf.json`
lies beside it, as OpenSearch publishes, queries are looked up in that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from lexmax.encoders.checkpoints.files import read_json
from lexmax.encoders.checkpoints.modules import Module, model_values, modules_of
from lexmax.errors import EncoderError

SideName = Literal["document", "query"]

_MLM_KINDS = ("MLMTransformer", "Transformer")
_TABLE_KINDS = ("SparseStaticEmbedding", "IDF")
_ROUTER_KINDS = ("Router", "Asym")
_AUTO_ENCODERS = ("SparseAutoEncoder", "CSRSparsity")

# Values of a Transformer module that change which tokens a text has.
_NOT_HERE = ("processing_kwargs", "query_expansion", "tokenizer_name_or_path")


_OFFSET_POSITIONS = frozenset({"camembert", "data2vec-text", "mpnet", "roberta", "xlm-roberta"})
"""Models whose first position has the number behind that of the padding token."""

_PADDED_TO = 8
"""As `backbone.PAD_TO`, which stands beside torch."""


@dataclass(frozen=True, slots=True)
class MlmPart:
    """A masked language model, and how its logits become weights.

    Attributes:
        folder: With its config, weights and tokenizer.
        max_tokens: Tokens of a text, markers counted; None where only the tokenizer says it.
        lower_case: Whether texts are lower-cased before the tokenizer has them.
        pool: "max" or "sum" over tokens.
        log1p: How often the logarithm is taken, 1 or 2.
    """

    folder: Path
    max_tokens: int | None = None
    lower_case: bool = False
    pool: str = "max"
    log1p: int = 1


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table of one weight a term, with its tokenizer beside it."""

    folder: Path


Part: TypeAlias = MlmPart | TablePart


@dataclass(frozen=True, slots=True)
class SparseFolder:
    """A sparse encoder on disk.

    Attributes:
        root: The folder itself.
        documents: What documents go through.
        queries: What queries go through.
        prompts: Texts that stand before every document and query.
    """

    root: Path
    documents: Part
    queries: Part
    prompts: Mapping[SideName, str] = field(default_factory=dict[SideName, str])


def read_masked_lm_folder(folder: Path) -> SparseFolder:
    """A masked language model as SPLADE-max."""
    both = MlmPart(folder)
    return SparseFolder(
        folder, both, TablePart(folder) if (folder / "idf.json").is_file() else both
    )


def read_sparse_folder(folder: Path) -> SparseFolder:
    """A folder of either kind.

    Raises:
        EncoderError: if a file is missing or damaged, or it holds another kind of model.
    """
    if not (folder / "modules.json").is_file():
        return read_masked_lm_folder(folder)
    values = model_values(folder)
    similarity = values.get("similarity_fn_name")
    if similarity not in (None, "dot"):
        raise EncoderError(
            f"{folder} compares by {similarity!r}; expected the dot product, which is what a "
            "sparse index computes; train or save the model with similarity_fn_name='dot'"
        )
    modules = modules_of(folder)
    if modules[0].kind in _ROUTER_KINDS and len(modules) == 1:
        routes = _routes(modules[0].folder)
    else:
        routes = {"document": modules, "query": modules}
    documents, queries = (_part(folder, routes[side], side) for side in ("document", "query"))
    return SparseFolder(folder, documents, queries, _prompts(folder, values.get("prompts")))


def _prompts(folder: Path, written: Any) -> Mapping[SideName, str]:
    found = cast("dict[str, Any]", written) if isinstance(written, dict) else {}
    prompts: dict[SideName, Any] = {
        "document": found.get("document") or "",
        "query": found.get("query") or "",
    }
    if any(not isinstance(prompt, str) for prompt in prompts.values()):
        raise EncoderError(
            f"{folder}/config_sentence_transformers.json: prompts are {prompts}; expected texts"
        )
    return prompts


def _part(root: Path, modules: Sequence[Module], side: str) -> Part:
    kinds = [module.kind for module in modules]
    if len(kinds) == 1 and kinds[0] in _TABLE_KINDS:
        return TablePart(modules[0].folder)
    if len(kinds) == 2 and kinds[0] in _MLM_KINDS and kinds[1] == "SpladePooling":
        return _mlm_part(modules[0], modules[1], side)
    if set(kinds) & set(_AUTO_ENCODERS):
        raise EncoderError(
            f"{root} has the module {kinds[-1]}: its terms are features of a dense vector, no "
            "pieces of text; expected a masked language model with SpladePooling, or a "
            "SparseStaticEmbedding; take a model of this kind"
        )
    raise EncoderError(
        f"{root} has the modules {', '.join(kinds)} for each {side}; expected a masked language "
        "model with SpladePooling, or a SparseStaticEmbedding; save a SparseEncoder of these"
    )


def _mlm_part(transformer: Module, pooling: Module, side: str) -> MlmPart:
    values = _transformer_values(transformer)
    _require_plain(transformer, values)
    pool = pooling.values.get("pooling_strategy", "max")
    activation = pooling.values.get("activation_function", "relu")
    if pool not in ("max", "sum") or activation not in ("relu", "log1p_relu"):
        raise EncoderError(
            f"{pooling.folder}: SpladePooling by {pool!r} of {activation!r}; "
            "expected max or sum, of relu or log1p_relu"
        )
    longest = values.get(f"{side}_length") or values.get("max_seq_length")
    if longest is not None and (not isinstance(longest, int) or longest < 1):
        raise EncoderError(
            f"{transformer.folder}: a {side} has {longest!r} tokens at most; expected a number "
            "above zero; correct sentence_bert_config.json"
        )
    return MlmPart(
        transformer.folder,
        max_tokens=longest,
        lower_case=bool(values.get("do_lower_case")),
        pool=pool,
        log1p=2 if activation == "log1p_relu" else 1,
    )


def _transformer_values(module: Module) -> Mapping[str, Any]:
    path = module.folder / "sentence_bert_config.json"
    return read_json(path) if path.is_file() else {}


def _require_plain(module: Module, values: Mapping[str, Any]) -> None:
    default = "fill-mask" if module.kind == "MLMTransformer" else "feature-extraction"
    task = values.get("transformer_task", default)
    if task != "fill-mask":
        raise EncoderError(
            f"{module.folder}: the transformer's task is {task!r}; expected fill-mask, whose "
            "logits SpladePooling weighs; save the model again with this task"
        )
    for name in _NOT_HERE:
        if values.get(name):
            raise EncoderError(
                f"{module.folder}: {name} is {values[name]!r}; expected none, because texts are "
                "read by the folder's own tokenizer; save the model without it"
            )


def _routes(folder: Path) -> Mapping[str, list[Module]]:
    path = folder / "router_config.json"
    written = read_json(path if path.is_file() else folder / "config.json")
    types, structure = written.get("types"), written.get("structure")
    parameters: Any = written.get("parameters")
    mappings = isinstance(parameters, dict) and cast("Any", parameters).get("route_mappings")
    if not isinstance(types, dict) or not isinstance(structure, dict) or mappings:
        raise EncoderError(
            f"{path} has no types and structure, or routes of its own; expected a router "
            "made by Router.for_query_document"
        )
    named = cast("dict[str, Any]", structure)
    if missing := {"document", "query"} - set(named):
        raise EncoderError(
            f"{path} has no route for each {min(missing)}; expected the routes query and document"
        )
    return {
        side: [_routed(path, name, cast("dict[str, Any]", types)) for name in _listed(named[side])]
        for side in ("document", "query")
    }


def _listed(names: Any) -> list[Any]:
    return [*cast("Sequence[Any]", names)] if isinstance(names, list) else [names]


def _routed(path: Path, name: Any, types: Mapping[str, Any]) -> Module:
    kind = types.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or Path(name).name != name or not isinstance(kind, str):
        raise EncoderError(f"{path}: {name!r} is no module; expected one that types names")
    if not kind.startswith("sentence_transformers."):
        raise EncoderError(
            f"{path} asks for {kind}, which is code of the model's own; "
            "expected modules of sentence-transformers; no foreign code is run"
        )
    folder = path.parent / name
    config = folder / "config.json"
    values = read_json(config) if config.is_file() else {}
    return Module(kind.rpartition(".")[2], kind, folder, values)


def tokenizer_limit(folder: Path) -> int | None:
    """Tokens of a text that the folder's tokenizer is made for; None where it does not say.

    Raises:
        EncoderError: if its config is damaged.
    """
    path = folder / "tokenizer_config.json"
    limit = read_json(path).get("model_max_length") if path.is_file() else None
    # A library writes 10^30 where it knows of no limit.
    return int(limit) if isinstance(limit, int | float) and 0 < limit < 1 << 31 else None


def longest_text(folder: Path) -> int | None:
    """Tokens that the model has positions for, markers counted; None where there is no limit.

    Raises:
        EncoderError: if config.json is missing or damaged.
    """
    config = read_json(folder / "config.json")
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions < 1:
        return None
    if config.get("model_type") in _OFFSET_POSITIONS:
        padding = config.get("pad_token_id")
        return max(positions - (padding if isinstance(padding, int) else 0) - 1, 1)
    # Padding has positions too.
    return max(positions // _PADDED_TO * _PADDED_TO, 1)
