"""archsim completion: what a shell needs to complete commands, options and names of files."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: eval "$(archsim completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish:
    archsim completion fish > ~/.config/fish/completions/archsim.fish.
    """
    from click.shell_completion import get_completion_class

    from archsim.cli import stdout
    from archsim.cli.main import COMPLETE

    made = get_completion_class(shell)
    assert made is not None
    template = made(ctx.find_root().command, {}, "archsim", COMPLETE)
    # not source(), which starts a bash to ask for its version
    stdout.write(made.source_template % template.source_vars())
