"""What a trial tries, as one hash: by it each is counted once, whoever makes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def trial_identity(source: Mapping[str, str], params: Mapping[str, Any]) -> bytes:
    """What a trial tries, as 32 bytes: a strategy's source (sha256 by file name) with these parameters, whatever program,
    library, costs or candles it is tried with.
    """
    return next(trial_identities(source, [params]))


def trial_identities(source: Mapping[str, str], params: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """`trial_identity` of many parameter sets of one source, at a fraction of the cost."""
    head, tail = b'{"params": ', f', "source": {json.dumps(dict(source), sort_keys=True)}}}'.encode()
    for one in params:
        yield hashlib.sha256(head + json.dumps(one, sort_keys=True).encode() + tail).digest()
