"""The shared secret: where it is read, and how each side proves that it knows it.

Challenge and response with HMAC-SHA-256 over both sides' fresh nonces and the role: the secret
never crosses the link, and a proof serves once, for one side and one purpose.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from splitsim.errors import BadInput

VARIABLE = "SPLITSIM_SECRET"
LEAST_BYTES = 8


def read_secret(file: Path | None = None) -> bytes:
    """The secret in a file or, without one, in ``$SPLITSIM_SECRET``.

    Raises:
        BadInput: there is none, or it is too short.
    """
    where = VARIABLE if file is None else str(file)
    secret = os.environ.get(VARIABLE, "").encode() if file is None else _contents(file)
    secret = secret.strip()
    if not secret:
        remedy = f"set the variable {VARIABLE}, or give --secret-file, the same on both sides"
        raise BadInput(f"{where}: there is no secret; {remedy}")
    if len(secret) < LEAST_BYTES:
        raise BadInput(f"{where}: the secret is too short; give {LEAST_BYTES} bytes or more")
    return secret


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); check --secret-file") from None


def proof(secret: bytes, *words: str) -> str:
    """What only one who knows the secret can say of these words."""
    told = "\n".join(f"{len(word)} {word}" for word in words)
    return hmac.new(secret, told.encode(), "sha256").hexdigest()


def proves(secret: bytes, given: object, *words: str) -> bool:
    """Whether that was said of these words."""
    return isinstance(given, str) and hmac.compare_digest(
        given.encode(), proof(secret, *words).encode()
    )
