"""What users write, once valid: frozen parts in canonical form, closed to unknown keys.

Pure: no file, clock or process is touched here. Files become these parts in `loader`; `lowering` reads them.
As cargo, `Project.model_dump_json(by_alias=True)` and `Project.model_validate_json` are each other's inverse.
"""
