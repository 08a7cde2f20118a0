"""Numbers with the word that they count, for people."""


def counted(number: int, one: str, several: str = "") -> str:
    """Such as ``1 request`` and ``1,200 requests``; ``several`` where the plural is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
