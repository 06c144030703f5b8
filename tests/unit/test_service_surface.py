import subprocess
import sys

import pytest

from lexmax import service


def test_every_public_name_is_there() -> None:
    assert service.__all__ == ["Settings", "create_app", "serve"]
    assert all(getattr(service, name) is not None for name in service.__all__)
    with pytest.raises(AttributeError, match="no attribute 'start'"):
        _ = service.start  # pyright: ignore


def test_settings_cost_no_heavy_import() -> None:
    program = (
        "import sys; from lexmax.service import Settings; "
        "sys.exit(str(sorted({'torch', 'faiss', 'fastapi', 'transformers'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
