"""How keys are compared: by a hash, or in a time that does not depend on where two texts differ."""

import ast
from pathlib import Path

import ensemble
from ensemble.keys.issuing import hash_of

ROOT = Path(ensemble.__file__).parent
SECRETS = {"hash_", "secret", "token", "csrf", "sent", "api_key", "shown", "wanted", "digest_of_key"}
"""Names under which the code has what a stranger must not find out by measuring."""
PLACES = ("server", "keys", "webhooks", "simulator/serve.py")


def compared(tree: ast.AST) -> list[str]:
    """Comparisons with == or != in which one side bears such a name, or is the hash of a key."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue  # whether it is there at all
            names = {one.id for side in sides for one in ast.walk(side) if isinstance(one, ast.Name)}
            names |= {one.attr for side in sides for one in ast.walk(side) if isinstance(one, ast.Attribute)}
            if names & (SECRETS | {"get_secret_value", "hash_of"}):
                found.append(ast.unparse(node))
    return found


def sources() -> list[Path]:
    found = [
        path for place in PLACES for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]
    assert len(found) > 60
    return found


def test_no_secret_is_compared_by_equality() -> None:
    wrong = {str(path): told for path in sources() if (told := compared(ast.parse(path.read_text(encoding="utf-8"))))}
    assert wrong == {}


def test_every_door_compares_in_constant_time_or_looks_up_a_hash() -> None:
    doors = {"server/auth.py": 1, "server/pages/access.py": 2, "simulator/serve.py": 1}
    for place, least in doors.items():
        assert (ROOT / place).read_text(encoding="utf-8").count("hmac.compare_digest(") >= least, place
    assert len(hash_of("")) == len(hash_of("x" * 10_000)) == 64, "what is compared has one length"


def test_a_comparison_that_tells_is_found() -> None:
    assert compared(ast.parse("if secret == self._key.get_secret_value(): pass")) == [
        "secret == self._key.get_secret_value()"
    ]
