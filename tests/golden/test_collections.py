"""Collections that earlier builds wrote must open, search and verify."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lexmax.collection import Collection
from lexmax.index.manifest import FORMAT_VERSION
from lexmax.types import Document

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_collection", HERE / "make_collection.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_collection"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=sorted(path.name for path in HERE.glob("collection-v*")))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    copied = tmp_path / request.param
    shutil.copytree(HERE / request.param, copied)
    return copied


def test_a_golden_collection_exists_for_this_version() -> None:
    assert (HERE / f"collection-v{FORMAT_VERSION}" / "catalog.sqlite").is_file()


def test_an_old_collection_verifies_and_searches(path: Path, maker: ModuleType) -> None:
    with Collection.open(path, encoders=maker.encoders()) as collection:
        assert collection.verify().problems == ()
        assert collection.n_docs == 5
        hits = collection.search("wing of a bird", 10, pipeline="bm25").hits
        assert [hit.doc_id for hit in hits] == ["doc/2", "doc/4"]
        assert hits[0].title == "New"
        exact = collection.search("calcium bones", 10, pipeline="multivector-exact").hits
        assert {hit.doc_id for hit in exact} == {"doc/0", "doc/1", "doc/2", "doc/4", "doc/5"}
        assert exact[0].doc_id == "doc/1"
        # A little above 2, the most that two words can reach: vectors are rounded to 8 bits.
        assert exact[0].score == np.float32(2.0067994594573975)
        assert hits[0].score == np.float32(1.3161342144012451)
        if collection.encoders.pooled is not None:
            pooled = collection.search("calcium bones", 10, pipeline="pooled").hits
            assert [hit.doc_id for hit in pooled] == [f"doc/{i}" for i in (4, 5, 2, 1, 0)]
            assert pooled[0].score == np.float32(0.8920764327049255)


def test_an_old_collection_takes_new_documents(path: Path, maker: ModuleType) -> None:
    with Collection.open(path, encoders=maker.encoders()) as collection:
        collection.add([Document("new", "a kite")])
        collection.flush()
        assert collection.search("kite", pipeline="bm25").hits[0].doc_id == "new"
        assert collection.verify().problems == ()


def test_the_same_documents_still_give_the_same_bytes(maker: ModuleType, tmp_path: Path) -> None:
    """Fails where a build writes the current version differently: that needs a new version."""
    with maker.create(tmp_path / "fresh") as collection:
        collection.add(maker.documents())
        collection.flush()
    current = HERE / f"collection-v{FORMAT_VERSION}"
    fresh, old = (
        folder / "segments" / "000000000001-000000000006"
        for folder in (tmp_path / "fresh", current)
    )
    names = sorted(file.name for file in old.iterdir())
    assert sorted(file.name for file in fresh.iterdir()) == names
    for name in names:
        assert (fresh / name).read_bytes() == (old / name).read_bytes(), name
