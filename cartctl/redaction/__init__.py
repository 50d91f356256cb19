"""Masking of secrets in all output: by value if known, otherwise by pattern.

Every secret is registered when it is resolved; the filter is applied where output is written, not by each caller.
Imports only the standard library, so that every layer can use it.
"""

from cartctl.redaction.filter import Pieces, cut, cut_beginning, mask, redact, redact_data
from cartctl.redaction.patterns import MASK
from cartctl.redaction.registry import (
    contains_secret,
    forget,
    is_weak,
    register,
    register_address,
    register_environment,
)

__all__ = [
    "MASK",
    "Pieces",
    "contains_secret",
    "cut",
    "cut_beginning",
    "forget",
    "is_weak",
    "mask",
    "redact",
    "redact_data",
    "register",
    "register_address",
    "register_environment",
]
