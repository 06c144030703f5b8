"""Is docs/api.md what the service does? `python docs/make_api.py` writes it, `--check` says so.

Routes, bodies and replies are the service's own OpenAPI schema, scopes and lanes those that it
asks for, codes those that its replies have. Examples are those of docs/api_examples.yaml, which a
test asks of a service.
"""

import argparse
import json
import pkgutil
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

import lexmax.service
from lexmax.service import Settings, create_app
from lexmax.service.docs_page import fields, held, kind, resolved
from lexmax.service.permissions import PERMISSIONS, Reach
from lexmax.service.problems import PROBLEMS, Problem

FOLDER = Path(__file__).parent
PAGE, EXAMPLES = FOLDER / "api.md", FOLDER / "api_examples.yaml"

_HEAD = """\
# The HTTP API

Written by `python docs/make_api.py` from the service's OpenAPI schema (`GET /openapi.json`) and
[api_examples.yaml](api_examples.yaml); a test asks every example of a service.

Bodies are strict JSON in UTF-8: unknown names are refused. Failures are problem replies (RFC 9457)
with a stable `code`: [Codes](#codes). Keys, limits and lanes: [operations.md](operations.md). The
Python client: [clients.md](clients.md).

Examples are asked of a service that runs as

```sh
{start}
```

and with

```sh
LEXMAX=http://127.0.0.1:8000
```

or in Python

```python
import lexmax

client = lexmax.Client("http://127.0.0.1:8000")
```

Of a service that asks for keys, add `-H "authorization: Bearer $KEY"`, or `key=` for the client.
"""
_START = "LEXMAX_IMPORT_DIR=imports lexmax serve --data collections"


@dataclass(frozen=True, slots=True)
class Example:
    """One request, and how it is answered.

    Attributes:
        route: Method and path, as the OpenAPI schema names them.
        path: What is asked for.
        statuses: That the reply may have.
        about: A sentence for people.
        body: JSON; None for none.
        send: A file that is the body, and its media type.
        keep: The file that the reply is written to.
        names: Names for others to use, and where they stand in the reply.
        client: Lines of Python with `client`; empty where httpx is used.
    """

    route: str
    path: str
    statuses: tuple[int, ...]
    about: str = ""
    body: Any = None
    send: tuple[str, str] | None = None
    keep: str | None = None
    names: tuple[tuple[str, str], ...] = ()
    client: str = ""

    @property
    def method(self) -> str:
        """Of HTTP."""
        return self.route.split(" ", 1)[0]

    @property
    def curl(self) -> str:
        """The command, in lines."""
        address = f'"$LEXMAX{self.path}"' if "$" in self.path or "?" in self.path else None
        parts = [address or f"$LEXMAX{self.path}"]
        sends = self.body is not None or self.send is not None
        if self.method != ("POST" if sends else "GET"):
            parts.insert(0, f"-X {self.method}")
        if self.body is not None:
            said = json.dumps(self.body, ensure_ascii=False)
            parts += ["-H 'content-type: application/json'", f"-d {shlex.quote(said)}"]
        if self.send is not None:
            file, type_ = self.send
            parts += [f"-H 'content-type: {type_}'", f"--data-binary @{file}"]
        if self.keep:
            parts.append(f"-o {self.keep}")
        one_line = " ".join(["curl", *parts])
        return one_line if len(one_line) <= 90 else " \\\n  ".join([f"curl {parts[0]}", *parts[1:]])

    @property
    def python(self) -> str:
        """The same in Python."""
        if self.client:
            return self.client
        given = "" if self.body is None else f", json={_literal(self.body)}"
        return f'httpx.{self.method.lower()}("http://127.0.0.1:8000{self.path}"{given}).json()\n'


def read_examples(path: Path = EXAMPLES) -> list[tuple[str, str, list[Example]]]:
    """Title, introduction and examples of each section."""
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        (one["section"], one["about"], [_example(said) for said in one["examples"]])
        for one in sections
    ]


def _example(said: Mapping[str, Any]) -> Example:
    known = {"route", "path", "json", "send", "type", "keep", "names", "status", "about", "python"}
    if unknown := said.keys() - known:
        raise SystemExit(f"{EXAMPLES}: {said['route']}: found {sorted(unknown)}; expected {known}")
    statuses = said["status"] if isinstance(said["status"], list) else [said["status"]]
    return Example(
        said["route"],
        said.get("path") or said["route"].split(" ", 1)[1],
        tuple(statuses),
        said.get("about", ""),
        said.get("json"),
        (said["send"], said["type"]) if "send" in said else None,
        said.get("keep"),
        tuple(said.get("names", {}).items()),
        said.get("python", ""),
    )


def page(schema: Mapping[str, Any], sections: Sequence[tuple[str, str, list[Example]]]) -> str:
    """The whole page.

    Raises:
        SystemExit: if a route has no example, or an example no route.
    """
    known = {
        f"{method.upper()} {path}"
        for path, operations in schema["paths"].items()
        for method in operations
    }
    shown = {example.route for _, _, examples in sections for example in examples}
    if missing := sorted(known ^ shown):
        raise SystemExit(
            f"{EXAMPLES}: routes and examples differ in {missing}; expected an example for each "
            "route and none besides; add or remove them"
        )
    parts = [_HEAD.format(start=_START)]
    models: dict[str, None] = {}
    for title, about, examples in sections:
        parts += [f"## {title}\n", f"{about.strip()}\n"]
        described: set[str] = set()
        for example in examples:
            if example.route not in described:
                parts.append(_route(example.route, schema, models))
            elif not example.about:
                raise SystemExit(f"{EXAMPLES}: a second {example.route} has nothing to say")
            described.add(example.route)
            parts.append(_shown(example))
    parts += ["## Models\n", *_models(models, schema)]
    parts += ["## Codes\n", _codes()]
    return "\n".join(parts).rstrip("\n") + "\n"


def _route(route: str, schema: Mapping[str, Any], models: dict[str, None]) -> str:
    method, path = route.split(" ", 1)
    operation = schema["paths"][path][method.lower()]
    said = operation.get("description") or operation.get("summary", "")
    lines = [f"### {method} {path}\n", f"{said.strip()}\n", f"{_needs(method, path)}\n"]
    rows = [_parameter(one) for one in operation.get("parameters", []) if one["in"] != "path"]
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        rows.append(f"| body | {_content(body, schema, models)} |")
    for status, reply in operation["responses"].items():
        if status.startswith("2"):
            content = reply.get("content", {})
            what = _content(content, schema, models) if content else reply["description"]
            rows.append(f"| reply {status} | {what} |")
    return "\n".join([*lines, "| | |", "|---|---|", *rows, ""])


def _parameter(said: Mapping[str, Any]) -> str:
    part = said["schema"]
    described = said.get("description") or part.get("description", "")
    default = f"; {json.dumps(part['default'])} by default" if "default" in part else ""
    return f"| {said['in']} `{said['name']}` | {_cell(kind(part))}{default}. {_cell(described)} |"


def _content(content: Mapping[str, Any], schema: Mapping[str, Any], models: dict[str, None]) -> str:
    found: list[str] = []
    for media_type, part in content.items():
        names = _names(part.get("schema", {}))
        models.update(dict.fromkeys(names))
        if media_type != "application/json":
            found.append(f"`{media_type}`")
        elif names:
            found.append(", ".join(f"[{name}](#{name.lower()})" for name in names))
        else:
            found.append(_cell(kind(part.get("schema", {}))))
    return ", or ".join(found)


def _names(part: Mapping[str, Any]) -> list[str]:
    """Models that a part of a schema names."""
    inside = [*part.get("anyOf", []), *([part["items"]] if "items" in part else [])]
    own = [kind(part)] if "$ref" in part else []
    return [*own, *(name for one in inside for name in _names(one))]


def _needs(method: str, path: str) -> str:
    template = path.replace("{doc_id}", "{doc_id:path}")
    needed = PERMISSIONS[method, template]
    if needed.reach is Reach.NOBODY:
        return "No key is asked for."
    where = {
        Reach.COLLECTION: "for the collection",
        Reach.SOMEWHERE: "for any collection",
        Reach.EVERYTHING: "for everything",
    }[needed.reach]
    lane = "" if needed.lane is None else f" Lane: {needed.lane}."
    return f"Scope: {needed.scope.name.lower()} {where}.{lane}"


def _shown(example: Example) -> str:
    lines = [f"{example.about}\n"] if example.about else []
    kept = [f"# {name} is `{where}` of the reply" for name, where in example.names]
    curl = "\n".join([example.curl, *kept])
    lines += [f"```sh\n{curl}\n```\n", f"```python\n{example.python.strip()}\n```\n"]
    return "\n".join(lines)


def _models(first: Mapping[str, None], schema: Mapping[str, Any]) -> Iterator[str]:
    """Every model that is named, and those that it holds, each once."""
    waiting, seen = list(first), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in schema["components"]["schemas"]:
            continue
        seen.add(name)
        model = resolved({"$ref": f"#/components/schemas/{name}"}, schema)
        rows = [
            f"| `{field}` | {_cell(type_)} | {_cell(said)} |"
            for field, type_, said in fields(model)
        ]
        table = ["| | | |", "|---|---|---|", *rows, ""] if rows else []
        said = str(model.get("description") or _values(model)).split("\n\nAttributes:")[0]
        yield "\n".join([f"### {name}\n", f"{said.strip()}\n", *table])
        waiting = [*held(model), *waiting]


def _values(model: Mapping[str, Any]) -> str:
    return "One of " + ", ".join(f"`{value}`" for value in model.get("enum", []))


def _cell(said: str) -> str:
    return " ".join(said.replace("|", "\\|").split())


def _codes() -> str:
    found = {
        (problem.code, problem.status): problem.title
        for problem in [*PROBLEMS.values(), *_declared()]
    }
    rows = [f"| `{code}` | {status} | {title} |" for (code, status), title in sorted(found.items())]
    return "\n".join(["| code | status | |", "|---|---|---|", *rows, ""])


def _declared() -> Iterator[Problem]:
    """Every problem that a module of the service has a name for."""
    package = lexmax.service
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, Problem):
                yield value


def _literal(value: Any) -> str:
    """As Python writes it, with the quotes of its formatters."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def made() -> str:
    """The page as it should be."""
    with tempfile.TemporaryDirectory() as data:
        schema = create_app(Settings(data=Path(data), warm=())).openapi()
    return page(schema, read_examples())


def main() -> int:
    """Write the page, or say whether it is as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if stale")
    wanted = made()
    if not parser.parse_args().check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(f"{PAGE} is stale; run: python docs/make_api.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
