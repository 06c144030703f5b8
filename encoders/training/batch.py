"""What does one step of training learn from?"""

from dataclasses import dataclass, replace

import torch

from lexmax.errors import ShapeError


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """B queries with their positives and hard negatives; other queries' documents are in-batch.

    Attributes:
        queries: Texts, B of them.
        documents: Texts without duplicates, D of them.
        groups: Rows of `documents`, int64 (B, 1 + N): column 0 is the positive, the others its
            hard negatives, of which there may be none.
        teacher: A teacher's scores of the groups, float32 (B, 1 + N), NaN where it gave none; or
            None where it gave none at all.
        weights: How much each sample counts, float32 (B,); 1 unless a curriculum says otherwise.
        text_weights: In the place of these, for losses that read one document at a time: how much
            each document of the groups counts, float32 (B, 1 + N); None without a curriculum that
            is pointwise.

    Raises:
        ShapeError: where shapes or dtypes differ from these, or a row is no document.
    """

    queries: list[str]
    documents: list[str]
    groups: torch.Tensor
    teacher: torch.Tensor | None
    weights: torch.Tensor
    text_weights: torch.Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.queries)
        _check("groups", self.groups, (n, self.groups.shape[-1]), torch.int64)
        if self.groups.shape[-1] == 0:
            raise ShapeError("groups have no columns; expected the positive in column 0")
        if n and not 0 <= int(self.groups.min()) <= int(self.groups.max()) < len(self.documents):
            raise ShapeError(
                f"groups name rows {int(self.groups.min())} to {int(self.groups.max())}; "
                f"expected 0 to {len(self.documents) - 1}, those of the documents"
            )
        if self.teacher is not None:
            _check("teacher", self.teacher, tuple(self.groups.shape), torch.float32)
        _check("weights", self.weights, (n,), torch.float32)
        if self.text_weights is not None:
            _check("text_weights", self.text_weights, tuple(self.groups.shape), torch.float32)

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def positives(self) -> torch.Tensor:
        """Rows of the positives, int64 (B,)."""
        return self.groups[:, 0]

    def to(self, device: torch.device | str) -> "TrainingBatch":
        """The same batch with its tensors on `device`."""
        return replace(
            self,
            groups=self.groups.to(device),
            teacher=None if self.teacher is None else self.teacher.to(device),
            weights=self.weights.to(device),
            text_weights=None if self.text_weights is None else self.text_weights.to(device),
        )


def _check(name: str, array: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if tuple(array.shape) != shape:
        raise ShapeError(f"{name} {tuple(array.shape)}; expected {shape}")
    if array.dtype != dtype:
        raise ShapeError(f"{name} are {array.dtype}; expected {dtype}")
