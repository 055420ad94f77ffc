"""Many tests make an application of their own. What each would compute again, with the same result, is kept."""

import hashlib
import tempfile
from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from werkzeug.routing import Rule

_TEMPLATES = tempfile.TemporaryDirectory(prefix="wishlist-templates-")
_BUILDERS: dict[Any, Callable[..., tuple[str, str]]] = {}
_compile_builder = Rule._compile_builder


def compute_once() -> None:
    """Keep keys derived from passphrases, compiled templates, and the functions that build the addresses of routes."""
    hashlib.scrypt = cache(hashlib.scrypt)
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(_TEMPLATES.name)}
    Rule._compile_builder = _compile_builder_once


def _compile_builder_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    key = (rule.rule, *rule._trace, repr(rule.defaults), append_unknown)
    if key not in _BUILDERS:
        _BUILDERS[key] = _compile_builder(rule, append_unknown)
    return _BUILDERS[key]
