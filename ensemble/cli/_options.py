"""Options that several commands share."""

import functools
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar, cast

import click
from click.core import ParameterSource
from pydantic import ByteSize, TypeAdapter, ValidationError

from ensemble.errors import StoreError
from ensemble.money import NANO
from ensemble.store.address import Address, address_of

F = TypeVar("F", bound=Callable[..., object])


class _Log(click.ParamType[Address]):
    """A path, or the URL of a server."""

    name = "log"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            address = address_of(str(value))
        except StoreError as error:
            self.fail(str(error), param, ctx)
        if address.has_password:
            told = "a password on the command line can be read by everybody on this machine; set PGPASSWORD"
            self.fail(f"{address}: {told}, write it to ~/.pgpass, or name [store] password_env", param, ctx)
        return address


LOG = _Log()

config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("ensemble.toml"),
    envvar="ENSEMBLE_CONFIG",
    show_envvar=True,
    show_default=True,
    help="The configuration.",
)
db = click.option("--db", type=LOG, help="The log: a file, or postgresql://...  [default: that of the configuration]")
as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON instead.")


def log(command: F) -> F:
    """The log as FILE or as ``--db``, whichever somebody thinks of first; handed on as ``db``."""

    @functools.wraps(command)
    def called(*args: object, file: Address | None, db: Address | None, **more: object) -> object:
        if file is not None and db is not None and not file.is_same(db):
            raise click.UsageError(f"FILE is {file} and --db is {db}: name one log")
        return command(*args, db=file or db, **more)

    return cast("F", click.argument("file", metavar="[FILE]", required=False, type=LOG)(db(called)))


def was_named(option: str) -> bool:
    """Whether somebody gave the option of the command that runs, or its environment variable."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not None and source is not ParameterSource.DEFAULT


def nano(context: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    """An amount of US dollars as nano-USD."""
    if given is None:
        return None
    try:
        dollars = Decimal(given.removeprefix("$"))
    except ArithmeticError:
        dollars = Decimal(-1)
    if not dollars.is_finite() or dollars <= 0:
        raise click.BadParameter(f"{given!r} is no amount of US dollars above 0, such as 12.50")
    return int(dollars * NANO)


def size(context: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    """A number of bytes, such as 500MB or 2GiB."""
    if given is None:
        return None
    try:
        return int(TypeAdapter(ByteSize).validate_python(given))
    except ValidationError:
        raise click.BadParameter(f"{given!r} is no size, such as 500MB or 2GiB") from None
