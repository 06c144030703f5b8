"""How is the service set up? One frozen value, read in one place."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lexmax.errors import InputError

PREFIX = "LEXMAX_"


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
    search_threads: int = Field(default=8, ge=1, le=256)
    write_threads: int = Field(default=2, ge=1, le=64)
    stop_seconds: int = Field(default=30, ge=1, description="Grace for requests when stopping")
    max_body_bytes: int = Field(default=2_000_000, ge=1)
    max_documents_bytes: int = Field(default=32_000_000, ge=1)
    max_json_depth: int = Field(default=64, ge=2, le=512)
    max_batch_documents: int = Field(default=1000, ge=1)
    max_rerank_documents: int = Field(default=1000, ge=1)
    max_query_chars: int = Field(default=8192, ge=1)
    max_k: int = Field(default=10_000, ge=1)

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
