"""What if a terminal, or the file in its place, cannot show what is to be written?"""

import codecs
import os
import sys

_ESCAPED = "lexmax-escaped"
# A document may hold what a terminal obeys: escapes that colour, clear, or rename the window.
_OBEYED = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in "\t\n"
}


def visible(text: str) -> str:
    """`text` with a mark in place of each control character but tabs and ends of lines."""
    return text.translate(_OBEYED)


def prepare_streams() -> None:
    """Let standard output and errors take any text, whatever the locale, and closed ones too.

    What their encoding lacks is written as in JSON, so that JSON stays JSON.
    """
    codecs.register_error(_ESCAPED, _escaped)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - lives as long as we do
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ESCAPED)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    codes = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return "".join(f"\\u{code}" for code in codes), error.end
