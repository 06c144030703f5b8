"""Which fields does a collection declare, and how do its documents come to columns of them?

A segment's columns are written with it. Segments that were there when a field was declared are
published anew with all columns: the same files under a new name, which costs no room, and those
of the columns. Until that is done, readers make them of the catalog's metadata.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import DocumentError, InputError
from lexmax.index.attributes import Attributes, Metadata
from lexmax.index.catalog import Catalog
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.fields import (
    Fields,
    FieldType,
    check_fields,
    check_metadata,
    described,
    read_fields,
)
from lexmax.index.layout import Layout
from lexmax.index.manifest import FILE_NAME, Manifest, describe_files, read_manifest, write_manifest
from lexmax.index.segment import read_serials
from lexmax.index.segment_rows import SegmentRow, covering_id
from lexmax.types import ranges

SETTING = "fields"
_READ_DOCS = 1000


def declared_fields(catalog: Catalog) -> Fields:
    """Fields of the collection, type by name.

    Raises:
        CorruptionError: if the catalog's account of them cannot be read.
    """
    return read_fields(catalog.setting(SETTING))


def attributes_of(catalog: Catalog, serials: NDArray[np.int64], fields: Fields) -> Attributes:
    """Columns of the documents with these serials, in this order."""
    return Attributes.build(_metadata(catalog, serials), fields)


def _metadata(catalog: Catalog, serials: NDArray[np.int64]) -> Iterator[Metadata]:
    for start, stop in ranges(len(serials), _READ_DOCS):
        # A document that is split has as many rows as passages.
        once, places = np.unique(serials[start:stop], return_inverse=True)
        found = catalog.metadata(once)
        yield from (found[place] for place in places)


def declare(catalog: Catalog, fields: Fields) -> bool:
    """Declare fields beside those that are; whether any is new.

    Raises:
        InputError: if one is declared already as another type, or a stored document has a value
            of another type in it.
    """
    known = declared_fields(catalog)
    new: dict[str, FieldType] = {
        name: kind for name, kind in fields.items() if known.get(name) != kind
    }
    if changed := sorted(set(new) & set(known)):
        raise InputError(
            f"{catalog.path.parent}: {changed[0]} is declared as {known[changed[0]]}, but "
            f"{new[changed[0]]} was asked for; it declares {described(known)}; leave the field "
            "out, or index into another folder"
        )
    if not new:
        return False
    every = check_fields({**known, **new})
    _check_stored(catalog, new)
    catalog.remember(SETTING, every)
    return True


def _check_stored(catalog: Catalog, new: Fields) -> None:
    serials = catalog.living_serials(0)
    for start, stop in ranges(len(serials), _READ_DOCS):
        for document in catalog.documents(serials[start:stop]):
            try:
                check_metadata(document, new)
            except DocumentError as error:
                raise InputError(f"the field cannot be declared: {error}") from error


def backfill(catalog: Catalog, layout: Layout) -> int:
    """Publish segments anew that lack a column of a declared field; how many there were.

    Needs the right to write; nothing else may build or merge segments meanwhile. Each segment is
    one transaction; interrupted, the next call goes on.

    Raises:
        CorruptionError: if a segment is damaged.
        DiskFullError: if there is no room for the columns.
    """
    fields, n_published = declared_fields(catalog), 0
    for row in catalog.segments() if fields else ():
        with storage_errors(layout.folder):
            folder = layout.segment(row.segment_id)
            manifest = read_manifest(folder, expected_xxh3=row.manifest_xxh3)
            if read_fields(manifest.parameters.get("attributes")) != fields:
                serials = np.array(read_serials(folder))
                columns = attributes_of(catalog, serials, fields)
                new = _with_columns(layout, row, manifest, columns)
                catalog.replace_segments([row], new, kept=serials)
                shutil.rmtree(folder, ignore_errors=True)
                n_published += 1
    return n_published


def _with_columns(
    layout: Layout, row: SegmentRow, manifest: Manifest, columns: Attributes
) -> SegmentRow:
    """The segment's files, and its columns, in a folder of their own."""
    name = covering_id(row.first_serial, row.last_serial, replaced=[row])
    old, new = layout.segment(row.segment_id), layout.segment(name)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    columns.save(new)
    files = {**_kept(manifest), **describe_files(new)}
    for file in _kept(manifest):
        _link(old / file, new / file)
    manifest = replace(
        manifest,
        segment_id=name,
        parameters={**manifest.parameters, "attributes": columns.parameters()},
        files={file: files[file] for file in sorted(files)},
    )
    own = write_manifest(new, manifest)
    sync_folder(new.parent)
    return SegmentRow(name, row.first_serial, row.last_serial, row.n_docs, own)


def _kept(manifest: Manifest) -> dict[str, dict[str, int | str]]:
    """The files of all but the columns, with the checksums that they were written with."""
    return {
        name: dict(written)
        for name, written in manifest.files.items()
        if not name.startswith("attributes.") and name != FILE_NAME
    }


def _link(old: Path, new: Path) -> None:
    """The same file by another name, which no one will change; a copy where that cannot be."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
        with new.open("rb") as file:
            os.fsync(file.fileno())
