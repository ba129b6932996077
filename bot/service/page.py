"""The OpenAPI document as a plain HTML page: what Swagger's page shows, without its scripts, which come from other hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
pre{overflow-x:auto;padding:.75rem;border:1px solid #8886;border-radius:.5rem}code{overflow-wrap:anywhere}
article{border-top:1px solid #8886}th,td{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0}"""


def page(openapi: Mapping[str, Any]) -> str:
    """The whole page for an OpenAPI document."""
    info, schemas = openapi["info"], openapi["components"]["schemas"]
    operations = [(method, path, operation) for path, methods in openapi["paths"].items() for method, operation in methods.items()]
    body = [f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>", *(f"<p>{escape(line)}</p>" for line in info["description"].split("\n\n"))]
    body.append('<p><a href="openapi.json">openapi.json</a></p>')
    body += [_operation(method, path, operation, schemas) for method, path, operation in operations]
    body.append("<h2>Schemas</h2>")
    body += [_schema(name, schema) for name, schema in schemas.items()]
    problem = "A request that does not fit the schemas above; <code>errors</code> points at each fault. Mend the request before sending it again."
    body.append(f'<article id="invalid-request"><h2>Problem: invalid request</h2><p>{problem}</p></article>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(info["title"])}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(body)}</main></body></html>'


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [f'<article id="{escape(operation["operationId"])}"><h2><code>{method.upper()} {escape(path)}</code></h2>']
    parts += [f"<p>{escape(line)}</p>" for line in operation.get("description", "").split("\n\n")]
    rows = [(parameter["name"], f"in {parameter['in']}, {_kind(parameter['schema'])}") for parameter in operation.get("parameters", [])]
    parts.append(_table(rows))
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        parts.append(f"<p>Request: {_kind(content['schema'])}</p>")
        name = content["schema"]["$ref"].rsplit("/", 1)[-1]
        for example in schemas[name].get("examples", []):
            parts.append(f"<pre>{escape(json.dumps(example, indent=1))}</pre>")
    parts.append(_table([(status, escape(answer["description"]) + _answers(answer)) for status, answer in operation["responses"].items()]))
    return "".join([*parts, "</article>"])


def _answers(answer: Mapping[str, Any]) -> str:
    return "".join(f": {_kind(content.get('schema', {}))}" for content in answer.get("content", {}).values())


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [(field + ("" if field in required else "?"), _kind(value) + _told(value)) for field, value in schema.get("properties", {}).items()]
    return f'<article id="{escape(name)}"><h3>{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>{_table(rows)}</article>'


def _told(value: Mapping[str, Any]) -> str:
    return f". {escape(value['description'])}" if "description" in value else ""


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: a link, a type, its limits."""
    return " ".join(_words(schema))


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        yield f'<a href="#{name}">{name}</a>'
    for choices in (schema.get("anyOf"), schema.get("oneOf")):
        if choices:
            yield " or ".join(map(_kind, choices))
    if "type" in schema:
        yield escape(str(schema["type"]))
    if "items" in schema:
        yield f"of {_kind(schema['items'])}"
    if "enum" in schema:
        yield escape(" | ".join(map(str, schema["enum"])))
    limits = [f"{name} {schema[name]}" for name in ("minLength", "maxLength", "minimum", "maximum", "maxItems", "pattern", "const") if name in schema]
    if limits:
        yield escape(f"({', '.join(limits)})")


def _table(rows: list[tuple[str, str]]) -> str:
    """Rows of (name, HTML)."""
    return "<table>" + "".join(f"<tr><th><code>{escape(name)}</code></th><td>{html}</td></tr>" for name, html in rows) + "</table>" if rows else ""
