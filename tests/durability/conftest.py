"""Modules of this folder, which its tests and its programs share, can be imported by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
