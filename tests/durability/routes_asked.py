"""Which routes does the service have, and what would each be asked? Read off the application."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastapi import FastAPI

from lexmax.service.permissions import PERMISSIONS

# By the names of path parameters. What is not here is a route that nobody has thought of yet.
PARAMETERS = {
    "name": "pets",
    "alias": "animals",
    "doc_id": "cat",
    "doc_id:path": "cat",
    "model": "bm25",
    "job_id": "j-000000000000000000000000",
}
# Of several that may be left out, what such a request says as a rule.
_SAID = frozenset({"query", "doc_ids"})
_PARAMETER = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation, and how to ask it."""

    method: str
    template: str
    media_types: Sequence[str] = ()
    """Of the body, where it takes one."""
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of a JSON body, with every reference in its place."""
    query: Sequence[str] = ()
    accepts: bool = False
    """Whether it takes bytes as they are, and looks at them later."""

    @property
    def path(self) -> str:
        """With a value for each parameter."""
        return self.path_with({})

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.template)

    def path_with(self, values: Mapping[str, str]) -> str:
        """With these values in the place of the usual ones."""
        return _PARAMETER.sub(lambda m: values.get(m[1], PARAMETERS[m[1]]), self.template)

    @property
    def takes_json(self) -> bool:
        return "application/json" in self.media_types

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@cache
def operations(app: FastAPI) -> Sequence[Asked]:
    """All that the application's description has, and what it leaves out."""
    schema = app.openapi()
    found = [
        _asked(method.upper(), path, operation, schema)
        for path, entries in schema["paths"].items()
        for method, operation in entries.items()
    ]
    said = {(one.method, one.template) for one in found}
    left_out = {(method, path.replace(":path}", "}")) for method, path in PERMISSIONS} - said
    found += [Asked(method, path) for method, path in sorted(left_out)]
    return found


def _asked(method: str, path: str, operation: Mapping[str, Any], schema: Any) -> Asked:
    content = operation.get("requestBody", {}).get("content", {})
    of_json = content.get("application/json", {}).get("schema", {})
    query = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    resolved = _resolved(of_json, schema["components"]["schemas"])
    accepts = "202" in operation.get("responses", ())
    return Asked(method, path, tuple(content), resolved, tuple(query), accepts)


def _resolved(schema: Any, named: Mapping[str, Any], depth: int = 0) -> Any:
    if isinstance(schema, list):
        return [_resolved(one, named, depth) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        if depth > 8:  # a schema of itself, such as any JSON
            return {}
        return _resolved(named[schema["$ref"].rsplit("/", 1)[1]], named, depth + 1)
    return {name: _resolved(one, named, depth) for name, one in schema.items()}


def example(schema: Mapping[str, Any]) -> Any:
    """A value of the schema."""
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "const" in schema:
        return schema["const"]
    if schema.get("default") is not None:
        return schema["default"]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return example(schema[name][0])
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        wanted = _SAID.union(schema.get("required", ())) & properties.keys()
        return {name: example(properties[name]) for name in sorted(wanted)}
    if kind == "array":
        return [example(schema.get("items", {}))] * max(1, schema.get("minItems", 1))
    if kind == "integer":
        return max(1, schema.get("minimum", 1))
    if kind == "number":
        return 0.5
    return {"boolean": True, "null": None}.get(str(kind), "cat")


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """JSON's types that the schema allows; empty where it allows any."""
    for name in ("anyOf", "oneOf"):
        if name in schema:
            kinds = [types_of(one) for one in schema[name]]
            return set() if set() in kinds else set().union(*kinds)
    if "type" in schema:
        kind = schema["type"]
        return set(kind) if isinstance(kind, list) else {kind}
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {_type_of(value) for value in values}


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def places(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[list[Any], Mapping[str, Any]]]:
    """Paths into an example, with the schema of what is there: properties and first items."""
    for branch in schema.get("anyOf") or schema.get("oneOf") or [schema]:
        for name, inner in branch.get("properties", {}).items():
            yield [name], inner
            if isinstance(value, dict) and name in value:
                for path, innermost in places(inner, value[name]):
                    yield [name, *path], innermost
        if isinstance(value, list) and value and "items" in branch:
            yield [0], branch["items"]
            for path, innermost in places(branch["items"], value[0]):
                yield [0, *path], innermost


def with_value(value: Any, path: Sequence[Any], new: Any) -> Any:
    """A copy with another value at that place."""
    if not path:
        return new
    if isinstance(value, list):
        return [with_value(value[0], path[1:], new), *value[1:]]
    whole = value if isinstance(value, dict) else {}
    return {**whole, path[0]: with_value(whole.get(path[0]), path[1:], new)}
