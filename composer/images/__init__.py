"""Root file system sources become read-only layers: a directory, the host's root, a tar archive unpacked safely.

    source        what is named in a Compose file → a Layer; the one place where failures get their words
    unpacking     an archive that is not known → a layer in the store
    layers        the store of unpacked archives
    unpack        members of an archive → files
    tree          names from a stranger, resolved inside one directory
    tar           an archive → its members; pax and sparse are parts of its format
    compression   told apart by content
    stream        the archive's bytes, hashed, counted, limited

Beyond this room: overlays and containers (runtime), who uses a layer (supervisor), a progress bar (cli).
"""

from __future__ import annotations

from composer.images.layers import LayerRecord, LayerStore, StoredLayer
from composer.images.source import Layer, current_digest, resolve
from composer.images.stream import Limits, Progress

__all__ = [
    "Layer",
    "LayerRecord",
    "LayerStore",
    "Limits",
    "Progress",
    "StoredLayer",
    "current_digest",
    "resolve",
]
