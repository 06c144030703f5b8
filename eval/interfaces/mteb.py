"""How does MTEB search and rerank with lexmax? Its `SearchProtocol`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import orjson

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError
from lexmax.eval.interfaces.asked import Asked, Scores, answers, require_alone, reranked
from lexmax.indexing import index_documents
from lexmax.integrations.frameworks import framework
from lexmax.stages import named
from lexmax.types import Document

Row = Mapping[str, Any]


class LexmaxSearch:
    """A system that MTEB evaluates on retrieval and reranking tasks.

    mteb.evaluate(LexmaxSearch("indexes", pipeline="hybrid"), mteb.get_tasks(["SciFact"]))

    Each corpus is indexed once, into a folder of its own below the one given, and found there
    again. On a reranking task, `top_ranked` says which documents the pipeline ranks.
    """

    def __init__(
        self,
        folder: Path | str,
        choice: IndexChoice | None = None,
        *,
        pipeline: Asked = None,
        encoders: Encoders | None = None,
        name: str = "lexmax/lexmax",
    ) -> None:
        """`choice` says what is indexed, `name`, "maker/model", what MTEB calls it."""
        self._folder, self._choice = Path(folder), choice or IndexChoice()
        self._pipeline, self._encoders, self._name = pipeline, encoders, name
        self._collection: Collection | None = None

    def index(
        self,
        corpus: Iterable[Row],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        **others: Any,
    ) -> None:
        """Indexes a corpus, or finds its index.

        Rows have id, text and, where there are some, title. `others` are for encoders that MTEB
        runs itself.

        Raises:
            EvaluationError: if its folder holds other documents.
            InputError: if its folder was made by another choice.
        """
        self.close()
        names = (task_metadata.name, f"{hf_subset}.{hf_split}")
        path = self._folder.joinpath(*(quote(name, safe=" ") for name in names))
        counted = _Counted(corpus)
        report = index_documents(
            path,
            iter(counted),
            name=orjson.dumps(names).decode(),
            choice=self._choice,
            watcher=Silent(),
            encoders=self._encoders,
        )
        require_alone(report.n_docs, len(counted.doc_ids))
        self._collection = Collection.open(path, encoders=self._encoders)

    def search(
        self,
        queries: Iterable[Row],
        *,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **others: Any,
    ) -> Scores:
        """The best documents of each query; of `top_ranked`, where a task gives some.

        Raises:
            EvaluationError: if nothing is indexed yet.
        """
        if self._collection is None:
            raise EvaluationError("found no index; expected one of the corpus; call index first")
        texts = {str(row["id"]): query_text(row) for row in queries}
        if top_ranked is None:
            return answers(self._collection, texts, top_k, pipeline=self._pipeline)
        every = reranked(self._collection, texts, top_ranked, pipeline=self._pipeline)
        return {name: dict(list(scores.items())[:top_k]) for name, scores in every.items()}

    @property
    def mteb_model_meta(self) -> Any:
        """What MTEB files results under: those of another choice or pipeline are another's."""
        choice = self._choice
        return framework("mteb.models.model_meta", extra="mteb").ModelMeta(
            loader=None,
            name=self._name,
            revision=version("lexmax"),
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=None,
            embed_dim=None,
            license="apache-2.0",
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=[],
            similarity_fn_name=None,
            use_instructions=False,
            training_datasets=None,
            model_type=_model_types(choice),
            experiment_kwargs={
                "sparse": choice.sparse or "none",
                "multivector": choice.multivector or "none",
                "pooled": choice.pooled or "none",
                "pipeline": _pipeline_text(self._pipeline),
            },
        )

    def close(self) -> None:
        """Close the collection that was asked last; its index stays."""
        if self._collection is not None:
            self._collection.close()
        self._collection = None

    def __enter__(self) -> "LexmaxSearch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Counted:
    """The documents of a corpus, whose ids are kept as they pass."""

    def __init__(self, corpus: Iterable[Row]) -> None:
        self.doc_ids = set[str]()
        self._corpus = corpus

    def __iter__(self) -> Iterator[Document]:
        for row in self._corpus:
            document = Document(str(row["id"]), row.get("text") or "", row.get("title") or "")
            self.doc_ids.add(document.doc_id)
            yield document


def query_text(row: Row) -> str:
    """A query as text: a conversation's turns in a line, its instruction after what is asked.

    MTEB puts an instruction behind a query, and before a conversation.
    """
    text, instruction = row["text"], row.get("instruction") or ""
    if isinstance(text, str):
        return f"{text} {instruction}".strip()
    turns = (
        turn if isinstance(turn, str) else f"{turn['role']}: {turn['content']}" for turn in text
    )
    return f"{instruction} {'; '.join(turns)}".strip()


def _model_types(choice: IndexChoice) -> list[str]:
    kinds = {
        "sparse": choice.sparse,
        "late-interaction": choice.multivector,
        "dense": choice.pooled,
    }
    return [name for name, spec in kinds.items() if spec is not None]


def _pipeline_text(pipeline: Asked) -> str:
    if pipeline is None or isinstance(pipeline, str):
        return pipeline or "default"
    return named(pipeline).model_dump_json(exclude_defaults=True)
