"""`lexmax keys`: who may use the service?"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

KeysPath = Annotated[
    Path,
    typer.Option(
        "--keys", envvar="LEXMAX_KEYS", help="The file of keys; `lexmax serve --keys` takes it."
    ),
]


def add_key_commands(app: typer.Typer) -> None:
    """Add `keys create`, `keys list` and `keys revoke`."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="Make, list and revoke keys of the service. Only their hashes are kept.",
    )
    group.command()(create)
    group.command(name="list")(list_keys)
    group.command()(revoke)
    app.add_typer(group, name="keys")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, to people.")],
    keys: KeysPath,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="read, write or admin, and after a colon the collection that it is for; without "
            "one, all. May be given again; by default `read`."
        ),
    ] = None,
    per_second: Annotated[
        float | None,
        typer.Option(help="Requests a second; by default what the service allows every key."),
    ] = None,
) -> None:
    """Make a key, print it, and keep its hash: nobody can print it again.

    A running service takes it within a second.

    Example: `lexmax keys create crawler --keys keys.json --allow read --allow write:pages`
    """
    from lexmax.service.key_file import change_keys
    from lexmax.service.keys import grant, new_key

    made, secret = new_key(name, dict(map(grant, allow or ["read"])), per_second=per_second)
    change_keys(keys, lambda known: (*known, made))
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(
        f"key {made.key_id} is in {keys}; its text above is shown once: keep it where secrets "
        "are kept\n"
    )


def list_keys(keys: KeysPath) -> None:
    """Print what each key is for and what it may do; their texts are not known.

    Example: `lexmax keys list --keys keys.json`
    """
    from lexmax.service.key_file import read_keys

    table = Table("id", "name", "may", "made")
    for key in read_keys(keys).keys:
        may = ", ".join(f"{scope} {where}" for where, scope in key.grants.items())
        table.add_row(key.key_id, escape(key.name), may, f"{key.created:%Y-%m-%d}")
    Console().print(table)


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `lexmax keys list` shows it.")],
    keys: KeysPath,
) -> None:
    """Make a key invalid; a running service refuses it within a second.

    Example: `lexmax keys revoke ID --keys keys.json`, with an ID that `lexmax keys list` shows
    """
    from lexmax.errors import InputError
    from lexmax.service.key_file import change_keys
    from lexmax.service.keys import Key

    def without(known: tuple[Key, ...]) -> tuple[Key, ...]:
        kept = tuple(key for key in known if key.key_id != key_id)
        if len(kept) == len(known):
            raise InputError(
                f"{keys}: has no key {key_id!r}; expected one that `lexmax keys list` shows"
            )
        return kept

    change_keys(keys, without)
    sys.stdout.write(f"{key_id} holds no longer\n")
