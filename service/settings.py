"""How is the service set up? One frozen value, read in one place."""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lexmax.errors import InputError

PREFIX = "LEXMAX_"


def _search_threads() -> int:
    return min(max(len(os.sched_getaffinity(0)), 2), 32)


class Settings(BaseSettings):
    """Settings of one service; what is not given is read from LEXMAX_* in the environment.

    Sizes are bytes, times are seconds. `port` 0 takes any free port.

    Raises:
        InputError: if a value is missing or cannot be used, or a name is unknown.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data: Path = Field(description="Folder that holds one folder a collection; made if absent")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    warm: tuple[str, ...] = Field(
        default=("minilm",), description="Multi-vector encoders loaded before the service is ready"
    )
    keys: Path | None = Field(
        default=None,
        description="File of keys, as `lexmax keys` writes it; without it none is asked",
    )
    insecure: bool = Field(
        default=False, description="Answer others than this machine without asking for a key"
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Names, beside localhost, that a service without keys is called by"
    )
    public_metrics: bool = Field(default=False, description="Ask for no key at /metrics")
    per_second: float | None = Field(
        default=None, gt=0, description="Requests of one key; those of a key's own come first"
    )
    tls_cert: Path | None = Field(default=None, description="Certificates, PEM, ours first")
    tls_key: Path | None = Field(default=None, description="Private key of the first, PEM")
    read_only: bool = Field(
        default=False, description="Leave writing to another process over the same folder"
    )
    max_behind_ms: float = Field(
        default=0, ge=0, description="That a read-only process may be behind who writes"
    )
    nice: int = Field(
        default=0, ge=0, le=19, description="How far other processes go before: 10 for who writes"
    )
    search_threads: int = Field(
        default_factory=_search_threads,
        ge=1,
        le=256,
        description="By default as many as cores, 2 at least",
    )
    search_queue: int = Field(default=16, ge=0, description="Searches that may wait for a thread")
    write_threads: int = Field(default=2, ge=1, le=64)
    write_queue: int = Field(default=64, ge=0, description="Writes that may wait for a thread")
    encode_threads: int = Field(default=4, ge=1, le=64)
    encode_queue: int = Field(
        default=16, ge=0, description="Requests to encode or rerank that may wait for a thread"
    )
    batch_tokens: int = Field(
        default=4096, ge=1, description="Of several requests that go through a model together"
    )
    query_cache_bytes: int = Field(
        default=64_000_000, ge=0, description="Of encoded queries that are kept; 0 keeps none"
    )
    document_cache_bytes: int = Field(
        default=64_000_000, ge=0, description="Of documents found lately that are kept; 0 for none"
    )
    max_requests: int = Field(default=256, ge=1, description="At one time")
    max_held_bytes: int = Field(
        default=256_000_000, ge=1, description="Of all bodies that are being read or answered"
    )
    max_timeout_ms: float = Field(default=600_000, gt=0, description="That a request may ask for")
    body_seconds: float = Field(default=30, gt=0, description="In which a body must have arrived")
    stop_seconds: int = Field(default=30, ge=1, description="Grace for requests when stopping")
    drain_seconds: float = Field(
        default=0, ge=0, description="From being told to stop until new connections are refused"
    )
    trace: bool = Field(default=False, description="Send OpenTelemetry spans; needs lexmax[otel]")
    max_body_bytes: int = Field(default=2_000_000, ge=1)
    max_documents_bytes: int = Field(default=32_000_000, ge=1)
    max_json_depth: int = Field(default=64, ge=2, le=512)
    max_batch_documents: int = Field(default=1000, ge=1)
    max_rerank_documents: int = Field(default=1000, ge=1)
    max_query_chars: int = Field(default=8192, ge=1)
    max_k: int = Field(default=10_000, ge=1)
    max_batch_searches: int = Field(default=256, ge=1, description="In one request")
    max_snapshots: int = Field(default=2, ge=1, description="Taken or restored at one time")
    max_snapshot_bytes: int = Field(default=100_000_000_000, ge=1, description="To restore")
    max_snapshot_members: int = Field(default=100_000, ge=1, description="To restore")
    snapshot_seconds: float = Field(
        default=3600, gt=0, description="In which a snapshot must have been sent or arrived"
    )
    import_dir: Path | None = Field(
        default=None, description="Folder whose files jobs may index; without it none may"
    )
    max_upload_bytes: int = Field(
        default=10_000_000_000, ge=1, description="Of a file that is sent for a job to index"
    )
    max_jobs: int = Field(default=1, ge=1, le=64, description="That run at one time")
    job_queue: int = Field(default=16, ge=0, description="Jobs that may wait behind these")
    max_job_listeners: int = Field(default=64, ge=1, description="Who follow jobs as they run")
    max_document_streams: int = Field(default=16, ge=1, description="At one time")
    max_stream_bytes: int = Field(
        default=10_000_000_000, ge=1, description="Of one stream of documents"
    )
    max_line_bytes: int = Field(default=2_000_000, ge=2, description="Of a document in a stream")
    rerankers: tuple[str, ...] = Field(
        default=(), description="Scorers of pairs that pipelines of requests may name"
    )
    models: tuple[str, ...] = Field(
        default=(), description="Other encoders that requests may name, by the name of the folder"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.max_behind_ms and not self.read_only:
            raise ValueError("max_behind_ms is for processes that are read_only")
        return self

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise InputError(_explained(error)) from error


def _explained(error: ValidationError) -> str:
    found = "; ".join(
        f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}"
        for entry in error.errors(include_url=False, include_input=False)
    )
    return (
        f"settings of the service cannot be used: {found}; "
        f"give each by its flag of `lexmax serve` or as {PREFIX}<NAME> in the environment"
    )
