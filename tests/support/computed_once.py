"""Many tests make an application of their own. What each would compute again, with the same result, is kept."""

import hashlib
import tempfile
from functools import cache
from typing import Any

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from werkzeug.routing import Rule

_TEMPLATES = tempfile.TemporaryDirectory(prefix="wishlist-templates-")
_RULES: dict[Any, Rule] = {}
_compile = Rule.compile


def compute_once() -> None:
    """Keep keys derived from passphrases, compiled templates and compiled routes."""
    hashlib.scrypt = cache(hashlib.scrypt)
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(_TEMPLATES.name)}
    Rule.compile = _compile_once


def _compile_once(rule: Rule) -> None:
    routes = rule.map
    key = (rule.rule, rule.host, rule.subdomain, rule.merge_slashes, repr(rule.defaults), routes.host_matching)
    key += tuple(routes.converters.items())
    if key not in _RULES:
        _compile(rule)
        _RULES[key] = rule
        return
    same = _RULES[key]
    rule.arguments |= same.arguments
    rule._parts, rule._trace, rule._converters = same._parts, same._trace, same._converters
    rule._build = same._build.__func__.__get__(rule)
    rule._build_unknown = same._build_unknown.__func__.__get__(rule)
