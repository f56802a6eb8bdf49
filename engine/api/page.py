"""The page about the endpoints: plain HTML made of the OpenAPI document; no script, no other host, a line to type each."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#8881;padding:.7rem;overflow:auto}code,pre{font:13px/1.5 ui-monospace,monospace}"
    "h2{margin-top:2.5rem;border-top:1px solid #8884;padding-top:1rem}td,th{text-align:left;padding-right:1.5rem}"
    ":root{color-scheme:light dark}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
STYLE_RULE: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"
BASE: Final = "http://127.0.0.1:8000"


def page_of(description: Mapping[str, Any]) -> str:
    """The whole page."""
    sections = [
        _section(description, path, method, operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    info = description["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}: HTTP API</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(info['title'])}: HTTP API</h1><p>{escape(info['description'])}</p>"
        f'<p><a href="/openapi.json">openapi.json</a> describes every field.</p>{"".join(sections)}</body></html>'
    )


def example_of(description: Mapping[str, Any], path: str, method: str) -> tuple[str, Any]:
    """An address (`{id}` stays where a stored thing is named) and a body, None for none, that do something."""
    operation = description["paths"][path][method]
    query = {
        one["name"]: next(iter(one["examples"].values()))["value"]
        for one in operation.get("parameters", ())
        if one["in"] == "query" and "examples" in one
    }
    if method == "post":
        query["wait"] = 60
    bodies = _bodies(description, operation)
    return path + (f"?{urlencode(query)}" if query else ""), bodies[0]["examples"][0] if bodies else None


def curl(address: str, method: str, body: Any) -> str:
    """The same as a line to type."""
    words = ["curl", "-s"]
    if method == "delete" or (method == "post" and body is None):
        words += ["-X", method.upper()]
    if body is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join([*words, BASE + address])


def _bodies(description: Mapping[str, Any], operation: Mapping[str, Any]) -> list[Any]:
    """The schemas that the body may have, the usual first; none where nothing is sent."""
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    either = schema.get("oneOf") or schema.get("anyOf") or [schema]
    return [description["components"]["schemas"][one["$ref"].rpartition("/")[2]] for one in either]


def _section(description: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    address, body = example_of(description, path, method)
    parts = [
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['description'])}</p>",
        _table(list(_fields(description, operation))),
        f"<pre>{escape(curl(address, method, body))}</pre>",
        _table([(status, answer["description"]) for status, answer in operation["responses"].items()]),
    ]
    return "".join(parts)


def _fields(description: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in operation.get("parameters", ()):
        yield f"{one['name']} ({one['in']})", one.get("description", _said(one["schema"]))
    bodies, told = _bodies(description, operation), set[str]()
    for schema in bodies:
        for name in [name for name in schema["properties"] if name not in told]:
            told.add(name)
            one, needed = schema["properties"][name], all(name in body.get("required", ()) for body in bodies)
            yield f"{name} (body{'' if needed else '; optional'})", one.get("description", _said(one))


def _said(schema: Mapping[str, Any]) -> str:
    return ", ".join(map(str, schema.get("enum", ())))


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows]
    return f"<table>{''.join(lines)}</table>" if lines else ""
