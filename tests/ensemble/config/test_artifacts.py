"""What parts read at start: nested ones too, and what goes wrong is one line that names the place."""

from pathlib import Path

import pytest

import ensemble
from ensemble.config import load, unloadable
from ensemble.doctor import examine
from ensemble.errors import ConfigError

PLUGIN = '''
from judges import InvalidOptions, JUDGES, Judge, Verdict

@JUDGES.register("{name}")
class Fussy(Judge):
    """Notes that it was loaded, or raises."""
    note: str
    trouble: str = ""

    def load(self):
        with open(self.note, "a") as file:
            file.write("loaded ")
        if self.trouble:
            raise eval(self.trouble)

    async def judge(self, case, models):
        return Verdict(judge=self.digest, outcome="abstained")
'''
CONFIG = """
[providers.local]
use = "openai"
base_url = "http://127.0.0.1:1/v1"

[members.one]
provider = "local"
model = "one"

[judges.house]
use = "jury"
seats = ["longest", {{ use = "staged", stages = [{{ use = "./fussy.py", note = "{note}", trouble = '{trouble}' }}] }}]
"""
PLACE = "seats.1.stages.0"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "fussy.py").write_text(PLUGIN.replace("{name}", f"fussy_{abs(hash(tmp_path))}"), encoding="utf-8")
    return tmp_path / "ensemble.toml"


def write(path: Path, trouble: str = "") -> Path:
    """Write the configuration; the file that the plugin writes when it is loaded."""
    note = path.parent / "note.txt"
    path.write_text(CONFIG.format(note=note, trouble=trouble), encoding="utf-8")
    return note


async def test_a_nested_plugin_is_loaded_once_at_start(written: Path) -> None:
    note = write(written)
    async with ensemble.open(written):
        assert note.read_text() == "loaded "


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ('InvalidOptions("no", (("note", "no such prompt"),))', f"{PLACE}.note: no such prompt"),
        ('InvalidOptions("the jail has a hole")', f"{PLACE}: the jail has a hole"),
        ('ValueError("version 9 is not known")', "version 9 is not known"),
        ('OSError(2, "No such file or directory", "weights.bin")', "No such file or directory: 'weights.bin'"),
        ('ImportError("needs the extra routers")', "needs the extra routers"),
        ('KeyError("weights")', "KeyError: 'weights'"),
    ],
)
async def test_what_stops_a_nested_plugin_stops_the_start_in_one_line(written: Path, trouble: str, told: str) -> None:
    write(written, trouble)
    with pytest.raises(ConfigError) as caught:
        async with ensemble.open(written):
            pass
    line = str(caught.value)
    assert line.startswith(f"{written}: [judges.house] {PLACE}")
    assert told in line
    assert "\n" not in line
    assert not (written.parent / "ensemble.db").exists(), "nothing is opened before"


async def test_the_doctor_tells_it_too(written: Path) -> None:
    write(written, 'OSError("gone")')
    report = await examine(written)
    (problem,) = report.problems
    assert "gone" in problem
    assert [part.problems for part in report.parts if part.name == "house"] == [(problem,)]


def test_every_problem_is_told_and_not_only_the_first(written: Path) -> None:
    write(written, 'OSError("gone")')
    text = written.read_text(encoding="utf-8")
    written.write_text(text + text[text.index("[judges.house]") :].replace("house", "other"), encoding="utf-8")
    places = [problem.place for problem in unloadable(load(written))]
    assert places == ["judges.house", "judges.other"]


def test_a_calibration_inside_a_jury_is_found_beside_the_configuration(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (written.parent / "cal.json").write_text('{"judges": {}}')
    (written.parent / "past.jsonl").write_text("")
    aggregate = '{ use = "dawid_skene", calibration = "cal.json", history_file = "past.jsonl" }'
    jury = f'use = "jury"\nseats = ["longest"]\naggregate = {aggregate}'
    write(written)
    head = written.read_text(encoding="utf-8").partition("[judges.house]")[0]
    written.write_text(f"{head}[judges.house]\n{jury}\n", encoding="utf-8")
    settings = load(written)
    assert list(unloadable(settings)) == []
    ((place, told),) = settings.judges["house"].misfits()
    assert place == "aggregate.calibration"
    assert "seat 0 (longest) has no vote" in told
