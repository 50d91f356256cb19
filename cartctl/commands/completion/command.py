"""`cartctl completion`: the script that a shell loads."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Shell that loads the script.")],
) -> None:
    """Write the completion script for a shell.

    Completes commands, options, environments, runs, snapshots, suites, steps and checks from local files, without any network.
    For the current shell only: source <(cartctl completion bash), also with zsh.

    Examples:
        cartctl completion bash > ~/.local/share/bash-completion/completions/cartctl
        cartctl completion zsh > ~/.zfunc/_cartctl
        cartctl completion fish > ~/.config/fish/completions/cartctl.fish
    """
    typer.echo((Path(__file__).parent / f"cartctl.{shell}").read_text(encoding="utf-8"), nl=False)
