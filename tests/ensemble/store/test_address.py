"""Addresses of logs: what they name, and that a password in one is never shown."""

from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store.address import Address, address_of

URL = "postgresql://ann:hunter2%2F@db.example:6432/logs?schema=team_a&sslmode=require&password=hunter3"


@pytest.mark.parametrize(
    ("where", "file"),
    [
        ("ensemble.db", "ensemble.db"),
        (Path("far/away.db"), "far/away.db"),
        ("sqlite:///here.db", "here.db"),
        ("sqlite:////srv/log.db", "/srv/log.db"),
    ],
)
def test_a_path_is_a_file(where: str | Path, file: str) -> None:
    address = address_of(where)
    assert address.file == Path(file)
    assert str(address) == file
    assert address.beside(".spill") == Path(f"{file}.spill")


def test_a_home_folder_is_found() -> None:
    assert address_of("~/log.db").file == Path.home() / "log.db"


def test_a_server_is_shown_without_its_password() -> None:
    address = address_of(URL)
    assert address.file is None
    assert address.url == URL
    assert address.schema == "team_a"
    assert str(address) == "postgresql://ann:***@db.example:6432/logs?schema=team_a"
    assert address.name == "logs/team_a"
    assert address.has_password
    assert "hunter" not in f"{address} {address!r} {address.name}"


@pytest.mark.parametrize("url", ["postgresql://host/logs", "postgres://host/logs"])
def test_a_server_has_a_schema_of_its_own(url: str) -> None:
    address = address_of(url)
    assert (str(address), address.schema, address.name) == ("postgresql://host/logs", "ensemble", "logs")
    assert not address.has_password


def test_files_about_a_log_on_a_server_lie_where_it_is_said() -> None:
    assert address_of("postgresql://host/logs").beside(".spill") == Path("ensemble.db.spill")
    assert address_of("postgresql://host/logs", local=Path("/srv/a.db")).beside(".spill") == Path("/srv/a.db.spill")


@pytest.mark.parametrize("url", ["postgresql://ann@host:1/logs", "postgresql://ann:old@host:1/logs"])
def test_a_password_from_elsewhere_takes_its_place(url: str) -> None:
    assert address_of(url, password="a/b@c").url == "postgresql://ann:a%2Fb%40c@host:1/logs"


def test_one_log_is_known_whoever_asks() -> None:
    one = address_of("postgresql://ann:x@host/logs")
    assert one.is_same(address_of("postgresql://host:5432/logs?schema=ensemble"))
    assert not one.is_same(address_of("postgresql://host/logs?schema=other"))
    assert address_of("a.db").is_same(address_of(Path.cwd() / "a.db"))
    assert not one.is_same(address_of("logs"))


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("", "a file of its own"),
        (":memory:", "a file of its own"),
        ("sqlite:///", "a file of its own"),
        ("mysql://ann:hunter2@host/log", "no engine keeps a log at mysql://"),
        ("postgresql://host/logs?schema=a;b", "'a;b' is no name of a schema"),
        ("postgresql://host/logs?schema=Big", "'Big' is no name of a schema"),
    ],
)
def test_what_names_no_log_is_refused(where: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as refused:
        address_of(where)
    assert "hunter2" not in str(refused.value)


def test_an_address_stays_what_it_is() -> None:
    address = address_of("a.db")
    assert address_of(address) is address
    assert isinstance(address, Address)
