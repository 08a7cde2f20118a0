"""What a provider requires of its members, and names of plugins with a hyphen."""

from pathlib import Path

import pytest

from ensemble.config import load, read
from ensemble.doctor import advise, examine
from tests.ensemble.test_doctor import TODAY

CLOUDS = {
    "anthropic": "",
    "anthropic_bedrock": 'region = "us-east-1"',
    "anthropic_vertex": 'region = "global"\nproject = "ours"',
}
CONFIG = """
[providers.claude]
use = "{use}"
{options}

[members.small]
provider = "claude"
model = "small-1"
price = {{ input = 1, output = 1 }}
{limit}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ensemble.toml"


def write(path: Path, use: str, limit: str = "max_output_tokens = 9") -> None:
    path.write_text(CONFIG.format(use=use, options=CLOUDS[use.replace("-", "_")], limit=limit))


@pytest.mark.parametrize("use", [*CLOUDS, "anthropic-bedrock"])
async def test_a_member_must_have_what_its_provider_requires(path: Path, use: str) -> None:
    write(path, use, limit="")
    (problem,) = read(path).problems
    assert problem.line == (
        f"{path}: [members.small] max_output_tokens: provider 'claude' ({use.replace('-', '_')}) requires it; "
        "add the most tokens of an answer, such as 4096"
    )
    report = await examine(path)
    assert report.problems == (problem.line,)
    assert [part.problems for part in report.parts if part.name == "small"] == [(problem.line,)]
    assert list(advise(read(path).settings, TODAY)) == [], "it must be mended, so it is not advised as well"
    write(path, use)
    assert read(path).problems == ()


def test_a_broken_provider_is_told_once(path: Path) -> None:
    """What it would have required is unknown then."""
    path.write_text('[providers.claude]\nuse = "antropic"\n[members.small]\nprovider = "claude"\nmodel = "m"\n')
    assert [problem.place for problem in read(path).problems] == ["providers.claude"]


@pytest.mark.parametrize("use", ["anthropic_bedrock", "anthropic_vertex"])
def test_a_hyphen_in_a_name_changes_no_digest(path: Path, use: str) -> None:
    digests = set()
    for spelt in (use, use.replace("_", "-")):
        write(path, spelt)
        settings = load(path)
        assert settings.providers["claude"].use == use
        digests.add((settings.digest, settings.providers["claude"].digest))
    assert len(digests) == 1
