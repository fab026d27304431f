"""archsim help: the documents that come with archsim, and the help of a command."""

from __future__ import annotations

import click

from archsim.errors import InputError, nearest


@click.command("help")
@click.argument("words", nargs=-1, metavar="[TOPIC|COMMAND]")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print a document by its topic, or the help of a command; without either, the topics."""
    from archsim.cli import stdout
    from archsim.system import shipped

    documents = shipped.documents()
    if not words:
        stdout.write("Topics, each printed by `archsim help TOPIC`:\n")
        for topic, path in documents.items():
            stdout.write(f"  {topic:<20} {_title(path.read_text(encoding='utf-8'))}")
        stdout.write("\n`archsim help COMMAND` prints the options of a command.")
    elif len(words) == 1 and words[0] in documents and words[0] not in _commands(ctx):
        stdout.write(documents[words[0]].read_text(encoding="utf-8").rstrip())
    elif words[0] in _commands(ctx):
        _print_help(ctx.find_root(), words)
        if words[0] in documents:
            stdout.write(f"\nIts document: {documents[words[0]]}")
    else:
        known = [*documents, *_commands(ctx)]
        raise InputError(f"there is no topic '{' '.join(words)}'.", None, nearest(words[0], known))


def _title(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    return first.lstrip("# ")


def _commands(ctx: click.Context) -> list[str]:
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    return root.command.list_commands(root)


def _print_help(parent: click.Context, words: tuple[str, ...]) -> None:
    from archsim.cli import stdout

    for word in words:
        group = parent.command
        found = group.get_command(parent, word) if isinstance(group, click.Group) else None
        if found is None:
            known = group.list_commands(parent) if isinstance(group, click.Group) else []
            fix = nearest(word, known) if known else None
            raise InputError(f"there is no command '{' '.join(words)}'.", None, fix)
        parent = click.Context(found, info_name=word, parent=parent)
    stdout.write(parent.get_help())
