"""Writes the JSON schema that is shipped: `make schema`, after the model or a short form has changed."""

from __future__ import annotations

from pathlib import Path

from composer.loader import schema

SHIPPED = Path(schema.__file__).with_name(schema.FILE_NAME)

if __name__ == "__main__":
    SHIPPED.write_text(schema.as_text(), encoding="utf-8")
