"""Write a commented configuration to start from."""

from pathlib import Path

import click

STARTER = Path(__file__).with_name("starter.toml")


@click.command(epilog="Example: ensemble init")
@click.argument("path", type=click.Path(path_type=Path), default=Path("ensemble.toml"))
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def command(path: Path, *, force: bool) -> None:
    """Write a commented configuration for OpenAI, Anthropic and a local server to PATH.

    PATH is a file, a folder, or - for standard output (default: ensemble.toml here).
    """
    text = STARTER.read_text(encoding="utf-8")
    if path == Path("-"):
        click.echo(text, nl=False)
        return
    target = path / "ensemble.toml" if path.is_dir() else path
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{target} is there already; --force overwrites it") from None
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}") from error
    option = "" if target == Path("ensemble.toml") else f" --config {target}"
    click.echo(f"Wrote {target}. Set the keys that it names, then: ensemble doctor{option}", err=True)
