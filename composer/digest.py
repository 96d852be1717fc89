"""SHA-256 of short texts without OpenSSL, which `hashlib` loads: 4 ms, and pages that every fork of a launcher copies.

`random` of the standard library takes the same way. What is long (images) is faster with `hashlib`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256 as sha256
else:
    try:
        from _sha2 import sha256 as sha256  # Python 3.12
    except ImportError:
        try:
            from _sha256 import sha256 as sha256
        except ImportError:  # an interpreter built without its own
            from hashlib import sha256 as sha256
