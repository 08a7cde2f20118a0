"""Where a log is: in a SQLite file, or in a schema of a database on a PostgreSQL server.

An address may hold a password. ``shown``, ``str`` and ``repr`` never do, so that no sentence, page or record has it.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from ensemble.errors import StoreError

LOCAL = Path("ensemble.db")
"""Beside what files of a log on a server are put where nothing else is said: spilled records, rejected rows."""
SCHEMA = "ensemble"
"""The schema of a log on a server, where its address names none."""
NO_LOG = "there is no log; see what the command line names or, where it names none, [store] of the configuration"
"""Behind an address; commands name logs in several ways, so none of them is told here."""
SERVERS = ("postgresql", "postgres")
_KNOWN = "a path, sqlite:///PATH and postgresql://USER@HOST/DATABASE are"


@dataclass(frozen=True)
class Address:
    """One log. Make it with ``address_of``.

    Attributes:
        file: its SQLite file; None where a server keeps it.
        url: of the server, password and all, as asyncpg takes it; None where it is a file.
        local: the path that files about the log are named after: the file itself, or any for one on a server.
    """

    file: Path | None
    url: str | None = field(default=None, repr=False)
    local: Path = LOCAL

    @cached_property
    def shown(self) -> str:
        """For people: the path, or the URL with ``***`` for its password, and of its options the schema alone."""
        if self.file is not None:
            return str(self.file)
        parts = self._parts
        user = f"{parts.username}{':***' if parts.password is not None else ''}@" if parts.username else ""
        options = f"?{urlencode({'schema': self.schema})}" if self.schema != SCHEMA else ""
        return f"postgresql://{user}{parts.netloc.rpartition('@')[2]}{parts.path}{options}"

    @property
    def name(self) -> str:
        """Short, as the headings of pages have it: the file's name, or database and schema."""
        if self.file is not None:
            return self.file.name
        database = unquote(self._parts.path.lstrip("/")) or "postgresql"
        return database if self.schema == SCHEMA else f"{database}/{self.schema}"

    @property
    def schema(self) -> str:
        """The schema that holds the log on a server."""
        return self._options.get("schema", SCHEMA)

    @property
    def dsn(self) -> str:
        """The URL as a server takes it: without the schema, which is a name of ours. It may hold a password."""
        options = {name: value for name, value in self._options.items() if name != "schema"}
        return self._parts._replace(query=urlencode(options)).geturl()

    @property
    def has_password(self) -> bool:
        """The URL itself holds a password."""
        return self.url is not None and (self._parts.password is not None or "password" in self._options)

    def beside(self, ending: str) -> Path:
        """The file about this log that ends so: ``ensemble.db.spill``."""
        return self.local.with_name(f"{self.local.name}{ending}")

    def is_same(self, other: "Address") -> bool:
        """Whether both name one log, whoever the user is."""
        return self._identity == other._identity

    @property
    def _identity(self) -> tuple[object, ...]:
        if self.file is not None:
            return (self.file.absolute(),)
        return self._parts.hostname, self._parts.port or 5432, self._parts.path, self.schema

    def __str__(self) -> str:
        return self.shown

    @cached_property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url or "")

    @cached_property
    def _options(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self._parts.query).items()}


Where = str | Path | Address
"""What says where a log is: a path, a URL of either engine, or an address that was made of one."""


def address_of(where: Where, *, local: Path | None = None, password: str | None = None) -> Address:
    """The address that ``where`` names; ``local`` (as in ``Address``) and ``password`` are for one on a server.

    Raises:
        StoreError: it is of no engine that there is, has no file, or the schema's name is none.
    """
    if isinstance(where, Address):
        return where
    scheme, colon, rest = str(where).partition("://")
    if isinstance(where, Path) or not colon:
        return _of_file(str(where))
    if scheme == "sqlite":
        return _of_file(rest.removeprefix("/"))
    if scheme not in SERVERS:
        raise StoreError(f"no engine keeps a log at {scheme}://; {_KNOWN} known")
    found = Address(None, url=_with_password(str(where), password), local=local or LOCAL)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,50}", found.schema):
        raise StoreError(f"?schema=: {found.schema[:60]!r} is no name of a schema; take small letters, digits and _")
    return found


def _with_password(url: str, password: str | None) -> str:
    if password is None:
        return url
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:{quote(password, safe='')}@{place}").geturl()


def _of_file(path: str) -> Address:
    if not path or path.startswith(":memory:"):
        raise StoreError("the log needs a file of its own; give its path, such as ensemble.db")
    file = Path(path).expanduser()
    return Address(file, local=file)
