"""Which headers stand on every reply? What browsers must not do with it."""

from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[bytes, bytes]]

SECURITY: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Pages carry their style with them, and load nothing.
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cache-control", b"no-store"),
)
OVER_TLS: Headers = ((b"strict-transport-security", b"max-age=31536000"),)


def with_security(headers: Iterable[tuple[bytes, bytes]], *, tls: bool) -> Headers:
    """A reply's headers with those that it does not set itself."""
    own = list(headers)
    names = {name.lower() for name, _ in own}
    added = (*SECURITY, *OVER_TLS) if tls else SECURITY
    return [*own, *(header for header in added if header[0] not in names)]
