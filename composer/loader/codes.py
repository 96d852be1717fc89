"""The kinds of mistakes, each with a short name that never changes its meaning.

Words rather than numbers: who meets one in a log knows what it is about before looking it up. docs/errors.md shows each
with a file that has it. A code says what kind of mistake it is, whichever key it is made at; the path says which key.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    # the text of a file
    BAD_ENCODING = "bad-encoding"
    DUPLICATE_KEY = "duplicate-key"
    EMPTY_FILE = "empty-file"
    TOO_LARGE = "too-large"
    TOO_MANY_MISTAKES = "too-many-mistakes"
    YAML_ALIAS = "yaml-alias"
    YAML_KEY = "yaml-key"
    YAML_MERGE = "yaml-merge"
    YAML_SYNTAX = "yaml-syntax"
    YAML_TAB = "yaml-tab"
    YAML_TAG = "yaml-tag"

    # variables
    ENV_FILE_SYNTAX = "env-file-syntax"
    REQUIRED_VARIABLE = "required-variable"
    UNSET_VARIABLE = "unset-variable"
    VARIABLE_SYNTAX = "variable-syntax"

    # several files
    EXTENDS_CYCLE = "extends-cycle"
    INCLUDE_CYCLE = "include-cycle"
    MERGE_MISMATCH = "merge-mismatch"
    MISSING_FILE = "missing-file"
    SEVERAL_FILES = "several-files"

    # keys and values
    BAD_NAME = "bad-name"
    BAD_VALUE = "bad-value"
    MISSING_KEY = "missing-key"
    MISSING_UNIT = "missing-unit"
    OUT_OF_RANGE = "out-of-range"
    UNKNOWN_CHOICE = "unknown-choice"
    UNKNOWN_KEY = "unknown-key"
    WRONG_TYPE = "wrong-type"

    # what does not go together
    CONFLICT = "conflict"
    DUPLICATE_NAME = "duplicate-name"
    DUPLICATE_TARGET = "duplicate-target"
    MISPLACED_KEY = "misplaced-key"
    NO_COMMAND = "no-command"
    NO_CONTAINER = "no-container"
    NO_EFFECT = "no-effect"
    NO_ROOTFS = "no-rootfs"
    NO_SERVICES = "no-services"
    RESERVED_NAME = "reserved-name"

    # what refers to something
    DEPENDENCY_CYCLE = "dependency-cycle"
    DISABLED_SERVICE = "disabled-service"
    NO_HEALTHCHECK = "no-healthcheck"
    UNDEFINED_CONFIG = "undefined-config"
    UNDEFINED_MODEL = "undefined-model"
    UNDEFINED_NETWORK = "undefined-network"
    UNDEFINED_SECRET = "undefined-secret"
    UNDEFINED_SERVICE = "undefined-service"
    UNDEFINED_VOLUME = "undefined-volume"

    # what is understood and means less than it seems
    NOT_SUPPORTED = "not-supported"
    OBSOLETE = "obsolete"
    UNKNOWN_EXTENSION = "unknown-extension"
