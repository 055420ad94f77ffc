"""Many tests make an application of their own. What each would compute again, with the same result, is kept."""

import hashlib
import tempfile
from functools import cache
from typing import Any

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from werkzeug.routing import Rule

_TEMPLATES = tempfile.TemporaryDirectory(prefix="wishlist-templates-")
_COMPILED: dict[tuple[Any, ...], Rule] = {}
_compile = Rule.compile


def compute_once() -> None:
    """Keep keys derived from passphrases, compiled templates, and what is computed for each route."""
    hashlib.scrypt = cache(hashlib.scrypt)
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(_TEMPLATES.name)}
    Rule.compile = _compile_once


def _compile_once(rule: Rule) -> None:
    key = (rule.rule, rule.merge_slashes, rule.subdomain, rule.host, repr(rule.defaults), *rule.map.converters.values())
    first = _COMPILED.get(key)
    if first is None:
        _compile(rule)
        _COMPILED[key] = rule
        return
    rule._parts, rule._trace, rule._converters = first._parts, first._trace, first._converters
    rule.arguments = {*first.arguments}
    rule._build = first._build.__func__.__get__(rule, None)
    rule._build_unknown = first._build_unknown.__func__.__get__(rule, None)
