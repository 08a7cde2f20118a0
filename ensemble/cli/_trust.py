"""The certificates of the system, read when a connection needs them."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _Later(ssl.SSLContext):
    """Reads whom to trust before its first connection, and is an ordinary context from then on."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        self._read()
        return self.wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        self._read()
        return self.wrap_socket(*args, **options)

    def _read(self) -> None:
        self.load_default_certs()
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]  # whose objects look the same


@contextmanager
def certificates_later() -> Iterator[None]:
    """Have contexts that are made within read the system's certificates only for their first connection.

    aiohttp makes two as soon as it is imported, for whoever names no other, which here hardly anybody does: 2 MB.
    """
    context: Any = ssl.SSLContext
    load, read = context.load_default_certs, context.set_default_verify_paths
    context.load_default_certs, context.set_default_verify_paths = _put_off(load), _put_off(read)
    try:
        yield
    finally:
        context.load_default_certs = load
        del context.set_default_verify_paths  # it is that of the base again


def _put_off(now: Callable[..., None]) -> Callable[..., None]:
    def later(context: ssl.SSLContext, *purpose: ssl.Purpose) -> None:
        if type(context) in (ssl.SSLContext, _Later):
            context.__class__ = _Later
        else:  # of a class with a mind of its own
            now(context, *purpose)

    return later
