"""Check of release packs: each kind of tampering is found, with the file and the kind in the message."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.release_shop import RUN, clean_environment, edit, list_few_distributions, make_shop, names_in

from pytest_evalgate.app.pack_check import check_pack
from pytest_evalgate.app.release_pack import MANIFEST, to_bytes
from pytest_evalgate.records.verdicts import GateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the pack names commits")

_OTHER: Final = "20260103T000000Z-bbbb"
_VERDICT: Final = f"runs/{RUN}/verdict.json"
_RUN_FILE: Final = f"runs/{RUN}/run.jsonl"
_CALIBRATION: Final = f"runs/{RUN}/calibrations/tone.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pack that says hold: of a run with a judge, golden sets with texts, and a weakened gate."""
    top = tmp_path_factory.mktemp("packs")
    (top / "shop").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        list_few_distributions(patch)
        patch.chdir(top / "shop")
        shop = make_shop(top / "shop")
        shop.judge()
        weaker = GateChange("gate changed", "suites.faq.gates[0].min", "0.9", "0.5", "weaker", "wanted (qa)")
        shop.decide(missed="abcdef", changes=(weaker,))
        shop.decide(run_id=_OTHER)
        shop.pack("release", RUN, texts=True)
        shop.pack("another", _OTHER, texts=True)
        yield top


@pytest.fixture
def pack(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "release", tmp_path / "release")
    return tmp_path / "release"


def test_the_pack_itself_is_verified(made: Path) -> None:
    found = check_pack(made / "release", repository=made / "shop")
    assert (found.problems, found.decision) == ((), "hold")


def test_every_byte_counts(pack: Path) -> None:
    for name in names_in(pack):
        path = pack / name
        data = path.read_bytes()
        for position in {0, len(data) - 1, *range(0, len(data), max(1, len(data) // 10))} if data else ():
            path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            problems = check_pack(pack).problems
            assert problems, f"{name} at {position}"
            named = any(problem.startswith(f"{name}: ") for problem in problems)
            assert named or name == MANIFEST, problems  # a digest in the manifest that was changed names its file
        path.write_bytes(data)
    assert check_pack(pack).problems == ()


def test_a_missing_an_extra_and_a_linked_file(pack: Path, tmp_path: Path) -> None:
    for name in names_in(pack):
        data = (pack / name).read_bytes()
        (pack / name).unlink()
        assert check_pack(pack).problems == (f"{name}: missing",)
        (pack / name).write_bytes(data)
    (pack / "runs/9.json").write_text("{}", "ascii")
    assert check_pack(pack).problems == ("runs/9.json: not in manifest.json",)
    (pack / "runs/9.json").unlink()
    (tmp_path / "elsewhere").write_bytes((pack / _RUN_FILE).read_bytes())
    (pack / _RUN_FILE).unlink()
    (pack / _RUN_FILE).symlink_to(tmp_path / "elsewhere")
    assert check_pack(pack).problems == (f"{_RUN_FILE}: not a regular file", f"{_RUN_FILE}: missing")
    assert check_pack(tmp_path / "none").problems == (f"{tmp_path / 'none'}: neither an archive nor a folder",)


def _reseal(folder: Path, **changed: object) -> None:
    """Write a manifest that fits the files, as a forger would."""
    manifest = {**json.loads((folder / MANIFEST).read_text("ascii")), **changed}
    names = [name for name in names_in(folder) if name != MANIFEST]
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / MANIFEST).write_bytes(to_bytes(manifest))


def _seal_run(folder: Path) -> None:
    """Write the digest that a run file states in its head, as a forger would."""
    path = folder / _RUN_FILE
    head = json.loads(path.read_bytes().splitlines()[0])["sha256"].encode()
    data = path.read_bytes().replace(head, b"0" * 64, 1)
    path.write_bytes(data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode(), 1))


def _seal_record(path: Path) -> None:
    """Write the digest that a calibration states, as a forger would."""
    from pytest_evalgate.text import jsonl  # noqa: PLC0415 - for this forgery alone

    value = json.loads(path.read_text("ascii"))
    [key] = [name for name in value if "sha256" in name and name != "labels_sha256"]
    value[key] = jsonl.digest({name: one for name, one in value.items() if name not in ("schema", "kind", key)})
    path.write_bytes(to_bytes(value))


def _calibration(name: str, value: object) -> Callable[[Path], None]:
    def forge(folder: Path) -> None:
        path = folder / _CALIBRATION
        path.write_bytes(to_bytes({**json.loads(path.read_text("ascii")), name: value}))
        _seal_record(path)

    return forge


def _replaced(name: str, before: str, now: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder, name, before, now)


def _score(folder: Path) -> None:
    path = folder / _RUN_FILE
    lines = path.read_text("ascii").splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if '"id":"a"' in line)
    lines[place] = lines[place].replace('"value":0.0', '"value":1.0').replace('"missed"', '"passed"')
    path.write_text("".join(lines), "ascii")
    _seal_run(folder)


def _removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _added(name: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copy(folder / MANIFEST, folder / name)


def _swapped(folder: Path) -> None:
    shutil.copy(folder.parent / "other_run.jsonl", folder / _RUN_FILE)


def _another_verdict(folder: Path) -> None:
    shutil.copy(folder.parent / "other_verdict.json", folder / _VERDICT)


_FORGERIES: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "verdict": (_replaced(_VERDICT, '"verdict": "fail"', '"verdict": "pass"'), f"{_VERDICT}: "),
    "exit code": (_replaced(_VERDICT, '"exit_code": 1', '"exit_code": 0'), f"{_VERDICT}: exit_code is 0"),
    "rate": (
        _replaced(_VERDICT, '"pass_rate": 0.25', '"pass_rate": 0.75'),
        f"{_VERDICT}: suites.faq.pass_rate is 0.75",
    ),
    "p-value": (_replaced(_VERDICT, '"p": 0.0', '"p": 0.9'), f"{_VERDICT}: suites.faq.delta.p"),
    "bound of a gate": (
        _replaced(_VERDICT, '"required": 0.5', '"required": 0.1'),
        f"{_VERDICT}: suites.faq.gates[0].req",
    ),
    "coverage": (
        _replaced(_VERDICT, '"passed": 2,\n       "ids"', '"passed": 8,\n       "ids"'),
        f"{_VERDICT}: suites.faq.cov",
    ),
    "judge counts": (_calibration("created", "2026-06-01T00:00:00Z"), f"{_CALIBRATION}: the judge counts, but its"),
    "judge too strict": (_calibration("judge_fail", 20), f"{_VERDICT}: suites.tone."),
    "judge of other words": (_calibration("parts", {"model": "m"}), f"{_CALIBRATION}: it is of another judge"),
    "rubric": (
        _replaced("project/rubrics/tone.md", "polite", "long"),
        f"{_CALIBRATION}: the judge counts, but the rubric",
    ),
    "label": (
        _replaced("project/labels.jsonl", '"label": "fail"', '"label": "pass"'),
        "project/labels.jsonl: its labels",
    ),
    "gate weakened": (_replaced("project/evalgate.toml", "min = 0.5", "min = 0.1"), "project: the run of runs/"),
    "requirement": (
        _replaced("project/evalgate.toml", 'values = ["R-*"]', 'values = ["R-a"]'),
        "project/evalgate.toml: its dig",
    ),
    "score": (_score, f"{_VERDICT}: "),
    "score without the seal": (
        _replaced(_RUN_FILE, '"value":0.0', '"value":1.0'),
        "the verdict cannot be derived: runs/",
    ),
    "golden set": (
        _replaced("project/golden/faq.jsonl", '"id": "a"', '"id": "y"'),
        "project/golden/faq.jsonl: its digest",
    ),
    "digest of a golden set": (_replaced("golden.json", '"sha256": "', '"sha256": "0'), "golden.json: the digest of"),
    "data card": (
        _replaced("project/golden/faq.card.toml", "no voice", "none"),
        "project/golden/faq.card.toml: its digest",
    ),
    "environment": (
        _replaced("environment.json", '"version": "', '"version": "9'),
        "model-card.md: it does not follow",
    ),
    "page says go": (_replaced("readiness.md", "brief: hold", "brief: go"), "readiness.md: it does not follow"),
    "web page says go": (_replaced("readiness.html", ">hold<", ">go<"), "readiness.html: it does not follow"),
    "model card": (_replaced("model-card.md", "FAIL", "PASS"), "model-card.md: it does not follow"),
    "identity of a model": (_replaced("models.json", "judge-model", "other-model"), "models.json: it does not follow"),
    "coverage map": (_replaced("coverage.json", '"a"', '"b"'), "coverage.json: it does not follow"),
    "who accepted": (_replaced("audit.json", '"author": "x"', '"author": "y"'), "readiness.md: it does not follow"),
    "which baseline": (_replaced("audit.json", "Z-base", "Z-good"), "audit.json: its baselines are not those"),
    "baseline": (
        _replaced(f"runs/{RUN}/suites/0.json", '"values":[1]', '"values":[0]'),
        "the verdict cannot be derived",
    ),
    "removed calibration": (_removed(_CALIBRATION), f"{_CALIBRATION}: missing, but the judge counts"),
    "removed data card": (_removed("project/golden/faq.card.toml"), "project/golden/faq.card.toml: missing, but"),
    "removed page": (_removed("readiness.html"), "the verdict cannot be derived: readiness.html: missing"),
    "removed run": (_removed(_RUN_FILE), f"the verdict cannot be derived: {_RUN_FILE}"),
    "added file": (_added("notes.txt"), "notes.txt: evidence writes no such file"),
    "added to the run": (_added(f"runs/{RUN}/notes.txt"), f"runs/{RUN}/notes.txt: evidence writes no such file"),
    "added to the project": (_added("project/conftest.py"), "project/conftest.py: evidence writes no such file"),
    "swapped runs": (_swapped, f"the verdict cannot be derived: {_RUN_FILE}: it is of run {_OTHER}"),
    "swapped verdicts": (_another_verdict, f"{_VERDICT}: it belongs to run {_OTHER}"),
}
"""What a forger changes, with a manifest that fits, and how the problem begins."""


@pytest.mark.parametrize("kind", _FORGERIES)
def test_a_forgery_with_fitting_digests_does_not_follow_from_the_run(made: Path, pack: Path, kind: str) -> None:
    shutil.copy(made / f"another/runs/{_OTHER}/run.jsonl", pack.parent / "other_run.jsonl")
    shutil.copy(made / f"another/runs/{_OTHER}/verdict.json", pack.parent / "other_verdict.json")
    forge, problem = _FORGERIES[kind]
    forge(pack)
    _reseal(pack)
    problems = check_pack(pack).problems
    assert any(one.startswith(problem) for one in problems), problems
    assert not any(str(pack) in one for one in problems)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"commit": "0" * 40}, "manifest.json: its runs or its commit are not those"),
        ({"runs": []}, "the verdict cannot be derived: manifest.json: it names no run"),
        ({"runs": [_OTHER]}, "the verdict cannot be derived: "),
        ({"schema": 2}, "manifest.json: not the manifest of a release pack: it was edited"),
        ({"more": 1}, "manifest.json: its runs or its commit"),
    ],
)
def test_a_changed_manifest(pack: Path, changed: dict[str, object], problem: str) -> None:
    _reseal(pack, **changed)
    assert check_pack(pack).problems[0].startswith(problem)


def test_a_pack_of_another_version_says_so(pack: Path) -> None:
    found = json.loads((pack / "environment.json").read_text("ascii"))
    [own] = [one for one in found["distributions"] if one["name"] == "pytest-evalgate"]
    own["version"] = "9.9"
    (pack / "environment.json").write_bytes(to_bytes(found))
    _reseal(pack)
    [problem] = check_pack(pack).problems
    assert "; pytest-evalgate 9.9 wrote it, and this is " in problem
    assert problem.endswith(": verify with 9.9")


def test_a_file_of_another_pack(made: Path, pack: Path) -> None:
    shutil.copy(made / "another/readiness.md", pack / "readiness.md")
    assert check_pack(pack).problems == ("readiness.md: its content differs from its digest in manifest.json",)


def test_a_baseline_of_another_commit(made: Path, pack: Path) -> None:
    """A pack can be made again as a whole with another baseline: the clone shows it."""
    edit(pack, "sources.json", '"role": "baseline"', '"role": "data card"')
    _reseal(pack)
    assert any("project/baselines/faq.json: missing" in one for one in check_pack(pack).problems)
    assert check_pack(made / "release", repository=made / "shop").problems == ()
