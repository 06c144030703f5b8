"""How does a collection lie in one file? As a tar of its files, with their checksums at the end.

Every member is a regular file whose name fits a tar header of 512 bytes, so what other tars have
is refused rather than understood: links, devices, folders, headers that carry longer names. The
last member is the manifest. Byte by byte: docs/format/snapshot.md.
"""

import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from lexmax.errors import SnapshotError
from lexmax.index.durable import to_json

MEDIA_TYPE = "application/x-tar"
MANIFEST = "MANIFEST.json"
MAGIC = "lexmax snapshot"
FORMAT_VERSION = 1
BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What ends a tar."""

_NAME = re.compile(
    r"catalog\.sqlite"
    r"|segments/[0-9]{12,19}-[0-9]{12,19}(-[0-9]{1,9})?/[a-z0-9][a-z0-9_.-]{0,39}"
    r"|sample/[a-z0-9][a-z0-9_.-]{0,63}"
    r"|relevance/[a-z0-9_-]{1,64}/(calibration\.json|adapter-[0-9a-f]{32}\.safetensors)"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "take another snapshot, or another copy of this one"


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of a member's content: its size, and SHA-256 in hexadecimal."""

    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """What a snapshot holds.

    Attributes:
        generation: of the collection.
        created: when it was taken, UTC, as RFC 3339 has it.
        members: every member but the manifest, by name.
    """

    generation: int
    created: str
    members: Mapping[str, Written]

    def to_bytes(self) -> bytes:
        """As the manifest's member has it; its length does not depend on the checksums."""
        return to_json(
            {
                "magic": MAGIC,
                "format_version": FORMAT_VERSION,
                "generation": self.generation,
                "created": self.created,
                "members": {
                    name: {"bytes": one.n_bytes, "sha256": one.sha256}
                    for name, one in self.members.items()
                },
            }
        )

    @staticmethod
    def from_bytes(content: bytes) -> "SnapshotManifest":
        """What `to_bytes` wrote.

        Raises:
            SnapshotError: if it is something else, or of another version.
        """
        try:
            said = cast("dict[str, Any]", orjson.loads(content))
            if said["magic"] != MAGIC:
                raise ValueError
            if (version := said["format_version"]) == FORMAT_VERSION:
                return _manifest(said)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SnapshotError(
                f"{MANIFEST}: is not the list of a snapshot's members; {_REMEDY}"
            ) from None
        raise SnapshotError(
            f"{MANIFEST}: found format version {version!r:.20}, this build reads {FORMAT_VERSION}; "
            "restore it with the release that took it"
        )


def _manifest(said: Mapping[str, Any]) -> SnapshotManifest:
    members = {
        name: Written(written["bytes"], written["sha256"])
        for name, written in said["members"].items()
    }
    for one in members.values():
        if type(one.n_bytes) is not int or not _SHA256.fullmatch(one.sha256):
            raise ValueError
    if type(said["generation"]) is not int or type(said["created"]) is not str:
        raise ValueError
    return SnapshotManifest(said["generation"], said["created"], members)


def is_expected(name: str) -> bool:
    """Whether a snapshot may have a member of this name."""
    return name == MANIFEST or _NAME.fullmatch(name) is not None


def padding(n_bytes: int) -> int:
    """Zero bytes that follow a content of this length."""
    return -n_bytes % BLOCK


def header(name: str, n_bytes: int, *, modified_s: int) -> bytes:
    """The 512 bytes before a member."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = n_bytes, modified_s, 0o644
    # One block each: GNU's for files of any size, ustar's for the names of small ones.
    long = len(name) > tarfile.LENGTH_NAME
    found = member.tobuf(tarfile.USTAR_FORMAT if long else tarfile.GNU_FORMAT)
    if len(found) != BLOCK or not is_expected(name):
        raise ValueError(f"{name!r} does not fit the header of a snapshot's member")
    return found


def read_header(block: bytes) -> tuple[str, int] | None:
    """Name and size of the member that follows; None where the tar ends.

    Raises:
        SnapshotError: if it is no header, or not one of a regular file that a snapshot may have.
    """
    if not any(block):
        return None
    try:
        # Decodes every byte: names that are not ASCII match no pattern.
        member = tarfile.TarInfo.frombuf(block, "latin-1", "strict")
    except tarfile.HeaderError:
        raise SnapshotError(
            "found bytes that are no header of a tar; expected a snapshot, neither compressed nor "
            f"cut; {_REMEDY}"
        ) from None
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise SnapshotError(
            f"{_shown(member.name)}: is not a regular file; expected a tar as `lexmax snapshot` "
            f"writes it, without folders, links or longer names; {_REMEDY}"
        )
    if not is_expected(member.name) or member.size < 0:
        raise SnapshotError(
            f"{_shown(member.name)}: no snapshot has a member of this name and size; expected a "
            f"tar as `lexmax snapshot` writes it; {_REMEDY}"
        )
    return member.name, member.size


def _shown(name: str) -> str:
    return ascii(name[:60])
