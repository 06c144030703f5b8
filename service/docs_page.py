"""How is the API described to a person? One page from its OpenAPI schema, without any script.

The page that FastAPI brings loads its parts from another host; this one needs nothing but itself.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid #8886; padding: .4rem 0 1rem; }
h2 { font: 600 1rem ui-monospace, monospace; overflow-wrap: anywhere; }
h2 b { display: inline-block; min-width: 4.5rem; color: #2a7ae2; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
td:nth-child(1) { width: 22%; } td:nth-child(2) { width: 32%; }
caption { text-align: left; font-weight: 600; padding: .5rem 0 .2rem; }
td { border-top: 1px solid #8883; padding: .2rem .8rem .2rem 0; vertical-align: top; }
code { font-family: ui-monospace, monospace; }
"""


def render(schema: Mapping[str, Any]) -> str:
    """The page, HTML, for an OpenAPI 3.1 schema."""
    about = schema["info"]
    title = escape(f"{about['title']} {about['version']}")
    sections = "".join(
        _section(method, path, operation, schema)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{escape(about.get('summary', ''))}. Machines read "
        '<a href="/openapi.json">/openapi.json</a>. An error is a problem reply (RFC 9457) with '
        f"a stable <code>code</code>.</p>{sections}</html>"
    )


def _section(
    method: str, path: str, operation: Mapping[str, Any], schema: Mapping[str, Any]
) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    replies = {code: r for code, r in operation["responses"].items() if code.startswith("2")}
    tables = [_tables("Body", body.get("schema", {}), schema)]
    for code, reply in replies.items():
        content = reply.get("content", {}).get("application/json", {})
        tables.append(_tables(f"Reply {code}", content.get("schema", {}), schema))
    return (
        f"<section><h2><b>{escape(method.upper())}</b> {escape(path)}</h2>"
        f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>"
        f"{''.join(tables)}</section>"
    )


def _tables(caption: str, part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The fields of a model, then those of the models that it holds."""
    model = resolved(part, schema)
    inside = "".join(
        _tables(name, schema["components"]["schemas"][name], schema) for name in held(model)
    )
    return _table(caption, model) + inside


def held(model: Mapping[str, Any]) -> list[str]:
    """Names of the models that the fields of this one name, none of which holds itself."""
    parts = list(model.get("properties", {}).values())
    names: list[str] = []
    while parts:
        part = parts.pop(0)
        parts += [*part.get("anyOf", []), *([part["items"]] if "items" in part else [])]
        if "$ref" in part:
            names.append(kind(part))
    return list(dict.fromkeys(names))


def _table(caption: str, model: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(type_)}</code></td>"
        f"<td>{escape(said)}</td></tr>"
        for name, type_, said in fields(model)
    )
    return f"<table><caption>{escape(caption)}</caption>{rows}</table>" if rows else ""


def fields(model: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, type, and what is said of each field of a model."""
    required = model.get("required", [])
    for name, part in model.get("properties", {}).items():
        said = [part["description"].rstrip(".") + "."] if "description" in part else []
        if name in required:
            said.append("Required.")
        elif "default" in part:
            said.append(f"Default {part['default']!r}.")
        yield name, kind(part), " ".join(said)


def kind(part: Mapping[str, Any]) -> str:
    """The type of a part of a schema, in words."""
    if "$ref" in part:
        return str(part["$ref"]).rpartition("/")[2]
    if "anyOf" in part:
        return " or ".join(kind(one) for one in part["anyOf"])
    if part.get("type") == "array":
        return f"list of {kind(part.get('items', {}))}"
    return str(part.get("type", "any"))


def resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model that a part of a schema names, or the part itself."""
    if "anyOf" in part:  # a body that may be left out
        return resolved(part["anyOf"][0], schema)
    if "$ref" not in part:
        return part
    model: Mapping[str, Any] = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    return model
