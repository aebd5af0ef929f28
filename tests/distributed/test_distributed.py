"""Shards as tasks of a scheduler, over object storage: each with the variables that the scheduler sets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import pytest
from tests.distributed.conftest import EXAMPLES, SECRET

# pytester forgets what a run imported; numpy does not bear being imported twice
import pytest_evalgate.gates
import pytest_evalgate.plugin.session
from pytest_evalgate.cli import main
from pytest_evalgate.golden import shard_rows

if TYPE_CHECKING:
    from pathlib import Path

_QUIET = tuple(f"-pno:{name}" for name in ("randomly", "hypothesispytest", "asyncio", "anyio", "cacheprovider"))
_URL = "s3://evals/runs/1/"
_VOLATILE = ("run_id", "duration_s")


def _write_cases(folder: Path, cases: int) -> None:
    """Write a golden set with recorded outputs, of which one in seven misses and two in a thousand lack theirs."""
    golden, outputs = [], []
    for number in range(cases):
        case_id = f"case-{number:05}"
        tags = [f"lang:{('de', 'en', 'fr')[number % 3]}", *(["safety"] if number % 400 == 0 else [])]
        golden.append({"id": case_id, "input": f"{number}?", "expected": str(number % 97), "tags": tags})
        text = "unknown" if number % 7 == 5 else f"It is {number % 97}."
        outputs.append({"id": case_id, "output": None if number % 500 == 3 else text})
    for name, rows in (("golden.jsonl", golden), ("outputs.jsonl", outputs)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "evalgate.toml").write_text(
        'max_error_rate = 0.01\nreport = { formats = ["markdown"] }\n[suites.numbers]\ngolden = "golden.jsonl"\n'
        'target = { recorded = "outputs.jsonl" }\nscorers = ["number"]\nslices = ["lang", "tag"]\n'
        'gates = [{ kind = "pass-rate", min = 0.8 }, { kind = "slice", by = "lang", min = 0.8, min_n = 50 }]\n'
    )
    (folder / "pytest.ini").write_text("[pytest]\n")


def _verdict(state: Path) -> Any:
    value = json.loads((state / "verdict.json").read_text())
    return {name: item for name, item in value.items() if name not in _VOLATILE}


def test_2000_cases_in_4_shards_over_s3_get_the_verdict_of_the_whole(
    pytester: pytest.Pytester,
    s3: str,  # noqa: ARG001 - the storage
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(shard_rows, "LARGE", 1)
    _write_cases(pytester.path, 2000)
    assert pytester.runpytest_inprocess(*_QUIET, "--eval-gate").ret == 0
    whole = _verdict(pytester.path / ".evalgate")
    assert whole["accounting"] == {
        "planned": 2000, "passed": 1712, "missed": 284, "errored": 4, "skipped": 0, "not_run": 0
    }  # fmt: skip
    for name, value in (("EVALGATE_SHARD", "auto"), ("EVALGATE_SHARDS", "4"), ("EVALGATE_SHARDS_TO", _URL)):
        monkeypatch.setenv(name, value)
    for index in range(4):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        result = pytester.runpytest_inprocess(*_QUIET, "--eval-gate")
        assert result.ret == 12
        stored = f"shard {index + 1} of 4 is stored in {_URL}{index + 1}-of-4.jsonl"
        assert result.outlines[-1] == f"evalgate: NOT EVALUATED  {stored}   (exit 12)"
        screen = " ".join(" ".join(result.outlines).split())
        assert f"merge it with the others: pytest-evalgate merge {_URL} --expect-shards 4 --gate" in screen
    capsys.readouterr()
    monkeypatch.setenv("EVALGATE_DIR", str(pytester.path / "merged"))
    assert main(["merge", _URL, "--expect-shards", "4", "--gate"]) == 0
    assert _verdict(pytester.path / "merged") == whole
    assert list((pytester.path / "merged").glob("shards-*")) == []
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err


def test_storage_that_refuses_ends_the_shard_before_it_runs(
    pytester: pytest.Pytester,
    s3: str,  # noqa: ARG001 - the storage
) -> None:
    _write_cases(pytester.path, 300)
    arguments = ("--eval-gate", "--eval-shard", "1/2", "--eval-shards-to", "s3://another/runs/1/")
    result = pytester.runpytest_inprocess(*_QUIET, *arguments)
    assert result.ret == 4
    assert "s3://another/runs/1/1-of-2.jsonl: " in str(result.stderr)
    assert "; nothing was sent" in str(result.stderr)
    assert SECRET not in str(result.stdout) + str(result.stderr)


def test_a_shard_that_cannot_be_stored_at_its_url_keeps_its_file(
    pytester: pytest.Pytester, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_cases(pytester.path, 300)
    (pytester.path / "conftest.py").write_text(
        "import boto3\n"
        "def pytest_collection_finish():\n"
        f"    client = boto3.client('s3', endpoint_url='{s3}')\n"
        "    client.delete_bucket(Bucket='evals')\n"
        "    client.close()\n"
    )
    monkeypatch.setattr("pytest_evalgate.runs.remote._PAUSE_S", 0)
    arguments = ("--eval-gate", "--eval-shard", "1/2", "--eval-shards-to", _URL)
    result = pytester.runpytest_inprocess(*_QUIET, *arguments)
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="evals")  # the fixture removes it
    client.close()
    assert result.ret == 4
    file = pytester.path / ".evalgate" / "shards" / "1-of-2.jsonl"
    assert file.exists()
    assert f"the shard is stored in {file} only: run the shard again, or copy the file there" in result.outlines[-1]
    assert not (pytester.path / ".evalgate" / "verdict.json").exists()


def test_without_a_url_no_storage_is_called(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_cases(pytester.path, 300)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert pytester.runpytest_inprocess(*_QUIET, "--eval-gate", "--eval-shard", "1/2").ret == 12


def test_the_url_is_that_of_a_shard_only(pytester: pytest.Pytester) -> None:
    _write_cases(pytester.path, 300)
    result = pytester.runpytest_inprocess(*_QUIET, "--eval-gate", "--eval-shards-to", _URL)
    assert result.ret == 4
    assert "--eval-shards-to: only a shard is stored there: add --eval-shard I/N, or auto" in str(result.stderr)


def test_a_foreign_object_is_named(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = boto3.resource("s3", endpoint_url=s3).Bucket("evals")
    bucket.put_object(Key="runs/1/report.html", Body=b"x")
    monkeypatch.chdir(tmp_path)
    assert main(["merge", _URL, "--expect-shards", "2"]) == 4
    assert "s3://evals/runs/1: contains report.html: use a folder" in capsys.readouterr().err


# -- examples/distributed


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = tmp_path / "evals"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns(".evalgate", "__pycache__", "*.py"))
    return folder


def _manifests() -> list[Any]:
    import yaml  # noqa: PLC0415 - two tests

    return list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text()))


def _environment(**more: str) -> dict[str, str]:
    """Return the environment of a task, in which pytest and pytest-evalgate are those of this interpreter."""
    source = os.path.dirname(os.path.dirname(pytest_evalgate.__file__))  # noqa: PTH120 - as text
    scripts = os.path.dirname(sys.executable)  # noqa: PTH120 - the same
    path = os.pathsep.join((scripts, os.environ["PATH"]))
    return {**os.environ, "PATH": path, "PYTHONPATH": source, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **more}


def test_the_manifests_are_valid() -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    version = kubernetes.latest_version()
    shards, gate = _manifests()
    for manifest in (shards, gate):
        kubernetes.validate(manifest, version, strict=True)
    [container] = shards["spec"]["template"]["spec"]["containers"]
    values = {one["name"]: one["value"] for one in container["env"]}
    assert values["EVALGATE_SHARDS"] == str(shards["spec"]["completions"])
    assert values["EVALGATE_SHARDS_TO"] == f"s3://evals/runs/{shards['metadata']['name']}/"
    [command] = [one["command"] for one in gate["spec"]["template"]["spec"]["containers"]]
    assert command[2:5] == [values["EVALGATE_SHARDS_TO"], "--expect-shards", values["EVALGATE_SHARDS"]]
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate({**shards, "spec": {**shards["spec"], "completion": 4}}, version, strict=True)


def test_the_commands_of_the_manifest_run(
    example: Path,
    tmp_path: Path,
    s3: str,  # noqa: ARG001 - the storage
) -> None:
    shards, gate = _manifests()
    container = shards["spec"]["template"]["spec"]["containers"][0]
    values = {one["name"]: one["value"] for one in container["env"]} | {"EVALGATE_SHARDS": "2"}
    plugin = {"PYTEST_ADDOPTS": "-p pytest_evalgate -p no:cacheprovider -q"}
    for index in range(2):
        own = {"JOB_COMPLETION_INDEX": str(index), "EVALGATE_DIR": str(tmp_path / f"state-{index}")}
        subprocess.run(
            container["command"],
            cwd=example,
            env=_environment(**{**values, **plugin, **own}),
            check=True,
            capture_output=True,
        )
    command = gate["spec"]["template"]["spec"]["containers"][0]["command"]
    command = ["2" if word == "4" else word for word in command]
    done = subprocess.run(command, cwd=example, env=_environment(), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "35 of 40 passed" in done.stdout or "87.5%" in done.stdout


def test_the_slurm_script_runs(example: Path, tmp_path: Path) -> None:
    array = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0"}
    for index in range(2):
        own = {**array, "SLURM_ARRAY_TASK_MAX": "1", "SLURM_ARRAY_TASK_ID": str(index), "TMPDIR": str(tmp_path)}
        plugin = {"PYTEST_ADDOPTS": "-p pytest_evalgate -p no:cacheprovider -q", "SLURM_SUBMIT_DIR": str(example)}
        subprocess.run(["bash", "slurm_array.sh"], cwd=example, env=_environment(**own, **plugin), check=True)
    command = ["pytest-evalgate", "merge", "shards/7", "--expect-shards", "2", "--gate"]
    done = subprocess.run(command, cwd=example, env=_environment(), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
