"""Mutations of a pull request: every file that decides, by edit, link, rename, ref games, environment and tiers.

A mutation changes a `Scene` and returns the word that has to occur among the listed changes. If it ``weakens``, the
build of the pull request fails, or is blocked, and ``verify`` does not agree with a pass.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.guard.scene import HARD, TODAY, jsonl_text

if TYPE_CHECKING:
    from random import Random

    from tests.guard.scene import Scene


@dataclass(frozen=True)
class Mutation:
    """One mutation.

    Args:
        name: Its name, unique.
        apply: Changes the scene; gets a random generator.
        listed: Text of the change that is listed, of its kind or its place; "" if it is blocked, or shown by the run.
        weakens: Whether it can make a failing build pass.
        acknowledged: Place to acknowledge; then the hard cases are missed, which the gate of the base does not allow.
    """

    name: str
    apply: Callable[[Scene, Random], None]
    listed: str
    weakens: bool = True
    acknowledged: str = ""


# --- contents: what is changed --------------------------------------------------------------------------------------

Content = tuple[str, Callable[[str, "Random"], str], str, bool]
"""A file, the change of its text, the text that is listed, and whether it weakens the gate."""

_CONFIG_EDITS: list[tuple[str, str, str]] = [
    (
        '{ kind = "pass-rate", min = 0.9, bound = "point" },',
        '{ kind = "pass-rate", min = 0.1, bound = "point" },',
        "min",
    ),
    ('{ kind = "must-pass", tags = ["safety"] },', "", "gate removed"),
    ('tags = ["safety"]', 'tags = ["nothing"]', "tags"),
    ('value = "14" }, { python = "graders:polite" }]', 'value = "14" }]', "scorer removed"),
    ('value = "14"', 'value = ""', "scorer changed"),
    ('{ kind = "contains", value = "14" }', '{ kind = "not-contains", value = "14" }', "scorer"),
    ('value = "14" }', 'value = "14", threshold = 0.0 }', "scorer changed"),
    ('"graders:polite" }]', '"graders:polite", weight = 0.1 }]\nthreshold = 0.1', "scorer changed"),
    ('"graders:polite"', '"graders:other"', "scorer"),
    ("trials = 2", "trials = 1", "trials"),
    ("trials = 2", 'trials = 2\naggregate = "pass@2"', "aggregate"),
    ("trials = 2", 'trials = 2\nmode = "advisory"', "mode"),
    ("sample = 16", "sample = 5", "sample"),
    ("sample = 16", "sample = 16\ngates = [{ kind = 'pass-rate', min = 0.1 }]", "gate"),
    ("[suites.faq.tiers.quick]", "[suites.faq.tiers.quick]\ntrials = 1", "trials"),
    ('on_inconclusive = "fail"', 'on_inconclusive = "warn"', "on_inconclusive"),
    ("max_error_rate = 0.0", "max_error_rate = 1.0", "max_error_rate"),
    ("max_error_rate = 0.0", 'on_missing_baseline = "record"', "on_missing_baseline"),
    ("max_error_rate = 0.0", 'default_tier = "quick"', "default_tier"),
    ('gates = [{ kind = "no-regression" }]', 'gates = [{ kind = "no-regression", alpha = 0.0001 }]', "alpha"),
    ('gates = [{ kind = "no-regression" }]', 'gates = [{ kind = "no-regression", margin = 0.9 }]', "margin"),
    ('gates = [{ kind = "no-regression" }]', 'gates = [{ kind = "pass-rate", min = 0.01 }]', "gate removed"),
    ('baseline = "baselines/code.json"', 'baseline = "git:HEAD"', "baseline"),
    ('baseline = "baselines/code.json"\n', "", "baseline"),
    ('target = { python = "app:answer" }', 'target = { python = "cheat:answer" }', "target replaced"),
    ('target = { python = "app:answer" }', 'target = { command = ["./cheat"] }', "target replaced"),
    ('target = { python = "app:answer" }', 'target = { kind = "cheat" }', "target replaced"),
    ('target = { python = "app:answer" }', 'target = { recorded = "right.jsonl" }', "target not called any more"),
    ('target = { python = "app:answer" }\n', "", "target not called any more"),
    ('target = { model = "candidate", prompt', 'target = { model = "grader", prompt', "endpoint moved"),
    ("https://models.example.org/v1", "https://evil.example.org/v1", "endpoint moved"),
    ("https://models.example.org/v1", "http://models.example.org/v1", "endpoint moved"),
    ("https://models.example.org/v1", "https://models.example.org:8443/v1", "endpoint moved"),
    ("https://models.example.org/v1", "https://models.example.org@evil.example/v1", "endpoint moved"),
    ("https://graders.example.org/v1", "https://evil.example.org/v1", "endpoint moved"),
    ("https://bot.example.org/ask", "https://evil.example.org/ask", "endpoint moved"),
    ('model = "large-1"', 'model = "tiny-1"', "judge's model"),
    ('rubric = "judges/rubric.md"', 'criteria = "Pass everything."', "judge"),
    ('few_shots = "judges/shots.jsonl"\n', "", "few_shots"),
    ('canaries = "judges/canaries.jsonl"\n', "", "canaries"),
    ("max_age_days = 3650", "max_age_days = 3000\nmin_tpr = 0.1\nvotes = 3", "votes"),
    ("max_age_days = 3650", "max_age_days = 3650\nreport_only = true", "report_only"),
    ('scorers = [{ judge = "j" }]', 'scorers = [{ judge = "j", threshold = 0.0 }]', "scorer changed"),
    ('scorers = [{ judge = "j" }]', 'scorers = ["exact"]', "scorer removed"),
    ("[suites.api]", "[suites.renamed]", "suite removed"),
    ('golden = "golden/api.jsonl"', 'golden = "golden/code.jsonl"', "golden"),
]


def _replacing(old: str, new: str) -> Callable[[str, Random], str]:
    def change(text: str, _: Random) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def _without_hard_case(text: str, chance: Random) -> str:
    lines = text.splitlines(keepends=True)
    del lines[chance.randrange(HARD)]
    return "".join(lines)


def _editing(**fields: Any) -> Callable[[str, Random], str]:
    """Return a change of one hard case of a golden set."""

    def change(text: str, chance: Random) -> str:
        rows = [json.loads(line) for line in text.splitlines()]
        row = rows[chance.randrange(HARD) if "tags" not in fields else 0]
        row.update(fields)
        return jsonl_text(rows)

    return change


def _appending(line: str) -> Callable[[str, Random], str]:
    return lambda text, _: text + line


def _baseline(better: float) -> Callable[[str, Random], str]:
    """Return a change of a baseline, with a right digest: all cases have the value ``better``."""

    def change(text: str, _: Random) -> str:
        from pytest_evalgate.text import jsonl  # noqa: PLC0415 - of the one mutation that forges a digest

        value = json.loads(text)
        for case in value["cases"].values():
            case["values"] = [better]
        value["cases_sha256"] = jsonl.digest(value["cases"])
        return json.dumps(value)

    return change


def _calibration(**fields: Any) -> Callable[[str, Random], str]:
    """Return a change of a calibration, with a right digest."""

    def change(text: str, _: Random) -> str:
        from pytest_evalgate.text import jsonl  # noqa: PLC0415 - as above

        value = {**json.loads(text), **fields}
        body = {key: item for key, item in value.items() if key not in ("schema", "kind", "sha256")}
        return json.dumps({**value, "sha256": jsonl.digest(body)})

    return change


def _drift_record(_text: str, _: Random) -> str:
    record = {"judge": "j", "checked": TODAY, "anchors": "others.jsonl", "finding": "steady"}
    return json.dumps({"schema": 1, "kind": "evalgate-drift", **record})


_CONTENTS: list[Content] = [
    *(("evalgate.toml", _replacing(old, new), listed, True) for old, new, listed in _CONFIG_EDITS),
    ("golden/faq.jsonl", _without_hard_case, "case removed", True),
    ("golden/faq.jsonl", _editing(input="an easy question"), "case edited", True),
    ("golden/faq.jsonl", _editing(expected="anything"), "case edited", True),
    ("golden/faq.jsonl", _editing(skip="flaky"), "case skipped", True),
    ("golden/faq.jsonl", _editing(tags=[]), "must-pass tags changed", True),
    ("golden/faq.jsonl", _editing(weight=0.01), "weight changed", True),
    ("golden/faq.jsonl", _editing(split="train"), "split changed", True),
    ("golden/faq.jsonl", _editing(metadata={"min_length": 0}), "metadata changed", True),
    ("golden/faq.jsonl", _appending('{"id": "easy", "input": "easy", "expected": "x"}\n'), "case added", True),
    ("golden/code.jsonl", _without_hard_case, "case removed", True),
    ("golden/judged.jsonl", _without_hard_case, "case removed", True),
    ("golden/api.jsonl", _editing(output="answer"), "recorded output", False),
    ("baselines/code.json", _baseline(0.0), "baseline", False),
    ("judges/j.json", _calibration(judge_fail=200, judge_pass=200), "calibration changed", True),
    ("judges/j.json", _calibration(threshold=0.01), "calibration changed", True),
    ("judges/j.json", _calibration(created="2026-06-01T00:00:00Z"), "calibration changed", True),
    ("judges/j.drift.json", _drift_record, "drift record changed", True),
    ("judges/rubric.md", lambda _text, _chance: "Pass everything.\n", "judge's rubric changed", True),
    ("judges/shots.jsonl", _replacing('"score": 1', '"score": 0'), "judge's few_shots changed", True),
    ("judges/canaries.jsonl", _replacing('"3"', '"4"'), "judge's canaries changed", True),
    ("graders.py", _appending("    return 1.0\n"), "code of a scorer changed", True),
    ("helpers.py", _replacing("'please' in text", "True"), "code of a scorer changed", True),
    ("app.py", _appending("# cheat\n"), "code of the target changed", False),
    ("prompts/faq.md", _appending("The answer is {{ expected }}.\n"), "prompt changed", False),
    ("outputs/judged.jsonl", _replacing('"14"', '"15"'), "recorded outputs changed", False),
    ("conftest.py", _appending("import helpers\n"), "conftest changed", False),
    ("pytest.ini", _replacing("-q", "-q --eval-trials 1"), "addopts", True),
    ("pytest.ini", _replacing("-q", "-q --eval-target recorded:right.jsonl"), "addopts", True),
    ("pytest.ini", _replacing("-q", "-q --eval-baseline git:HEAD"), "addopts", True),
    ("pytest.ini", _replacing("-q", "-q -k easy"), "addopts", True),
    ("pytest.ini", _appending("env =\n    EVALGATE_TRIALS=1\n"), "env", True),
    (".evalgate/cassettes/faq.jsonl", _replacing("fail", "pass"), "cassette changed", True),
]


# --- ways: how the new content gets there ---------------------------------------------------------------------------


def _in_place(scene: Scene, path: str, text: str) -> None:
    scene.write(path, text)


def _by_link(scene: Scene, path: str, text: str) -> None:
    """Replace the file by a link to a new file, which the base does not have."""
    new = scene.write(f".data/{path}", text)
    (scene.root / path).unlink()
    (scene.root / path).symlink_to(os.path.relpath(new, (scene.root / path).parent))


def _by_absolute_link(scene: Scene, path: str, text: str) -> None:
    new = scene.write(f".data/{path}", text)
    (scene.root / path).unlink()
    (scene.root / path).symlink_to(new)


def _by_link_of_its_folder(scene: Scene, path: str, text: str) -> None:
    """Replace the folder of the file by a link to a new folder; the project itself if the file is at its top."""
    folder, _, _ = path.rpartition("/")
    if folder:
        old, new = scene.root / folder, scene.root / f".data/{folder}"
    else:
        old, new = scene.root, scene.top / "elsewhere"
    new.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(old, new)
    old.symlink_to(os.path.relpath(new, old.parent))
    scene.write(path, text)


def _by_rename(scene: Scene, path: str, text: str) -> None:
    """Give the file another name in the configuration as well; files with a fixed name are edited."""
    configured = scene.text("evalgate.toml")
    if f'"{path}"' not in configured:
        scene.write(path, text)
        return
    folder, _, name = path.rpartition("/")
    new = f"{folder}/New-{name}"
    (scene.root / path).unlink()
    scene.write(new, text)
    scene.write("evalgate.toml", configured.replace(f'"{path}"', f'"{new}"'))


def _with_attributes(scene: Scene, path: str, text: str) -> None:
    scene.write(".gitattributes", f"{path} text eol=crlf ident filter=lfs diff=lfs merge=ours export-ignore\n")
    scene.git("config", "filter.lfs.clean", "tr a-z A-Z")
    scene.write(path, text)


def _untracked(scene: Scene, path: str, text: str) -> None:
    """Leave the change in the working tree, hidden from ``git status``."""
    scene.git("update-index", "--assume-unchanged", f"{scene.folder}/{path}")
    scene.write(path, text)


_WAYS = [_in_place, _by_link, _by_link_of_its_folder, _by_rename, _with_attributes, _by_absolute_link, _untracked]


# --- games: what else makes the base look different -----------------------------------------------------------------


def _loosen(scene: Scene) -> None:
    scene.write("evalgate.toml", scene.text("evalgate.toml").replace("min = 0.9", "min = 0.1"))


def _refs(*commands: str) -> Callable[[Scene, Random], None]:
    """Return a weakening that is committed, before git commands that could lead the base to that commit."""

    def apply(scene: Scene, _: Random) -> None:
        _loosen(scene)
        scene.commit("weaker")
        for command in commands:
            scene.git(*command.split())

    return apply


def _environment(**values: str) -> Callable[[Scene, Random], None]:
    def apply(scene: Scene, _: Random) -> None:
        other = scene.top.parent / "other"
        shutil.copytree(scene.top, other, symlinks=True)
        _loosen(scene)
        scene.commit("weaker")
        filled = {"other": str(other), "top": str(scene.top), "head": scene.git("rev-parse", "HEAD")}
        scene.environ |= {name: value.format(**filled) for name, value in values.items()}

    return apply


def _ref_in_addopts(scene: Scene, chance: Random) -> None:
    _loosen(scene)
    scene.addopts_ref = chance.choice(["HEAD", "topic", "refs/heads/topic"])
    scene.write("pytest.ini", f"[pytest]\naddopts = -q --eval-base-ref {scene.addopts_ref}\n")


def _grafts(scene: Scene, _: Random) -> None:
    _loosen(scene)
    scene.commit("weaker")
    head, main = scene.git("rev-parse", "HEAD"), scene.git("rev-parse", "main")
    (scene.top / ".git/info").mkdir(exist_ok=True)
    (scene.top / ".git/info/grafts").write_text(f"{main} {head}\n")


def _pseudo_ref(scene: Scene, _: Random) -> None:
    """Put a file into the git folder whose name git tries before branches."""
    _loosen(scene)
    scene.commit("weaker")
    for name in ("main", "origin/main"):
        file = scene.top / ".git" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(scene.git("rev-parse", "HEAD") + "\n")


def _second_configuration(scene: Scene, _: Random) -> None:
    scene.write("pyproject.toml", '[tool.evalgate]\non_inconclusive = "warn"\n')


def _configuration_in_pyproject(scene: Scene, _: Random) -> None:
    import tomllib  # noqa: PLC0415 - of one mutation

    value = tomllib.loads(scene.text("evalgate.toml").replace("min = 0.9", "min = 0.1"))
    (scene.root / "evalgate.toml").unlink()
    lines = [f"{key} = {json.dumps(item)}" for key, item in value.items() if not isinstance(item, dict)]
    for table in ("models", "judges", "suites"):
        for name, keys in value[table].items():
            lines.append(f"[tool.evalgate.{table}.{name}]")
            lines += [f"{key} = {_inline(item)}" for key, item in keys.items()]
    scene.write("pyproject.toml", "\n".join(["[tool.evalgate]", *lines, ""]))


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


def _moved_project(scene: Scene, _: Random) -> None:
    """Move the project to a folder for which the base has no gates."""
    _loosen(scene)
    shutil.move(scene.root, scene.top / "moved")
    scene.folder = "moved"


def _configuration_above(scene: Scene, _: Random) -> None:
    """Move everything to the top of the repository, where pytest then finds its root folder."""
    _loosen(scene)
    for path in list(scene.root.iterdir()):
        shutil.move(path, scene.top / path.name)
    scene.folder = "."


def _submodule(scene: Scene, _: Random) -> None:
    """Replace the project by a submodule, whose own main branch has the weaker gate."""
    _loosen(scene)
    scene.commit("weaker")
    inner = scene.root
    git_folder = scene.top / ".git"
    module = git_folder / "modules/project"
    kept = scene.top.parent / "kept"
    shutil.copytree(inner, kept)
    shutil.rmtree(inner)
    scene.git("init", "-q", "-b", "main", str(inner))
    shutil.copytree(kept, inner, dirs_exist_ok=True)
    scene.git("-C", "project", "add", "-A", "-f")
    scene.git("-C", "project", "commit", "-qm", "weaker")
    scene.git("-C", "project", "update-ref", "refs/remotes/origin/main", "HEAD")
    scene.git("rm", "-rq", "--cached", "project")
    scene.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", "--force", "./project", "project")
    module.parent.mkdir(parents=True, exist_ok=True)
    scene.git("submodule", "absorbgitdirs")


def _state_links(scene: Scene, chance: Random) -> None:
    """Put links into the state folder, where files of the base could be extracted."""
    _loosen(scene)
    scene.state.mkdir(exist_ok=True)
    (scene.state / "base").symlink_to(chance.choice(["..", "../golden", "../judges"]))


def _shadowed_module(scene: Scene, _: Random) -> None:
    """Add a package that Python prefers to the module of the scorer."""
    scene.write("graders/__init__.py", "def polite(case, output):\n    return 1.0\n")


def _shadowed_import(scene: Scene, _: Random) -> None:
    scene.write("src/helpers.py", "def check(text):\n    return True\n")


def _other_ini(scene: Scene, chance: Random) -> None:
    """Add a file that pytest prefers to the one of the base, or remove that one."""
    (scene.root / "pytest.ini").unlink()
    name = chance.choice([".pytest.ini", "tox.ini"])
    scene.write(name, "[pytest]\naddopts = --eval-tier quick\n")


def _new_cassette(scene: Scene, _: Random) -> None:
    scene.write(".evalgate/cassettes/new.jsonl", '{"label": "judge:j", "reply": "pass"}\n')


def _removed(path: str) -> Callable[[Scene, Random], None]:
    def apply(scene: Scene, _: Random) -> None:
        (scene.root / path).unlink()

    return apply


def _run(**facts: Any) -> Callable[[Scene, Random], None]:
    def apply(scene: Scene, _: Random) -> None:
        scene.run |= facts

    return apply


def _stale_run(scene: Scene, _: Random) -> None:
    scene.run["commit"] = scene.git("rev-parse", "HEAD")
    scene.write("app.py", "def answer(value):\n    return 'worse'\n")


def _fewer_trials(scene: Scene, _: Random) -> None:
    scene.environ["EVALGATE_TRIALS"] = "1"
    scene.run["trials"] = 1


_GAMES: list[Mutation] = [
    *(
        Mutation(f"refs: {'; '.join(commands)}", _refs(*commands), "min")
        for commands in (
            ("tag main",),
            ("tag origin/main",),
            ("branch origin/main",),
            ("branch origin",),
            ("tag refs/remotes/origin/main",),
            ("update-ref refs/heads/HEAD HEAD",),
            ("update-ref refs/heads/refs/remotes/origin/main HEAD",),
            ("update-ref refs/remotes/main HEAD",),
            ("update-ref refs/origin/main HEAD",),
            ("branch -f main HEAD",),
            ("replace -f main HEAD",),
            ("symbolic-ref refs/remotes/origin/HEAD refs/heads/topic",),
            ("config core.worktree /",),
            ("config core.ignorecase true",),
            ("config core.symlinks false",),
            ("config core.fsmonitor touch",),
            ("config alias.merge-base !echo",),
            ("config core.useReplaceRefs true", "replace -f main HEAD"),
            ("checkout -q --detach",),
            ("pack-refs --all",),
            ("gc -q",),
        )
    ),
    *(
        Mutation(f"environment: {values}", _environment(**values), "min")
        for values in (
            {"GIT_DIR": "{other}/.git"},
            {"GIT_DIR": "{other}/.git", "GIT_WORK_TREE": "{other}"},
            {"GIT_COMMON_DIR": "{other}/.git"},
            {"GIT_WORK_TREE": "{other}"},
            {"GIT_INDEX_FILE": "{other}/.git/index"},
            {"GIT_OBJECT_DIRECTORY": "{other}/.git/objects"},
            {"GIT_NAMESPACE": "other"},
            {"GIT_REPLACE_REF_BASE": "refs/heads/"},
            {"GIT_GRAFT_FILE": "{other}/.git/grafts"},
            {"GIT_SHALLOW_FILE": "{other}/.git/shallow"},
            {"GIT_PREFIX": "elsewhere/"},
            {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.worktree", "GIT_CONFIG_VALUE_0": "{other}"},
            {"GIT_LITERAL_PATHSPECS": "0", "GIT_TRACE": "1"},
            {"GITHUB_SHA": "{head}", "GITHUB_EVENT_NAME": "pull_request"},
            {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"},
        )
    ),
    Mutation("grafts", _grafts, "min"),
    Mutation("files in the git folder", _pseudo_ref, "min"),
    Mutation("base ref in addopts", _ref_in_addopts, "base replaced"),
    Mutation("a second configuration", _second_configuration, ""),
    Mutation("the configuration in pyproject.toml", _configuration_in_pyproject, "min"),
    Mutation("the project in another folder", _moved_project, "configuration moved"),
    Mutation("the project at the top", _configuration_above, "configuration moved"),
    Mutation("the project in a submodule", _submodule, ""),
    Mutation("links in the state folder", _state_links, "min"),
    Mutation("a package before the module of a scorer", _shadowed_module, "code of a scorer changed"),
    Mutation("a module before the import of a scorer", _shadowed_import, "code of a scorer changed"),
    Mutation("another file of pytest", _other_ini, "addopts"),
    Mutation("a new cassette", _new_cassette, "cassette changed"),
    *(
        Mutation(f"removed: {path}", _removed(path), listed, weakens)
        for path, listed, weakens in (
            ("judges/j.json", "calibration changed", True),
            ("judges/j.drift.json", "drift record changed", True),
            ("judges/canaries.jsonl", "judge's canaries changed", True),
            ("judges/rubric.md", "", True),
            ("judges/shots.jsonl", "", True),
            ("baselines/code.json", "baseline", False),
            ("golden/faq.jsonl", "", True),
            ("evalgate.toml", "suite removed", True),
            ("helpers.py", "code of a scorer changed", True),
            ("conftest.py", "conftest changed", False),
            ("prompts/faq.md", "prompt changed", False),
            (".evalgate/cassettes/faq.jsonl", "cassette changed", True),
        )
    ),
]

_RUNS: list[Mutation] = [
    Mutation("EVALGATE_TRIALS", _fewer_trials, ""),
    Mutation("another tier", _run(tier="quick"), ""),
    Mutation("another target", _run(target="recorded:right.jsonl"), ""),
    Mutation("a run of another commit", _stale_run, ""),
    Mutation("a run of no commit", _run(commit=None), ""),
    *(Mutation(f"without suite {name}", _run(without=(name,)), "") for name in ("faq", "code", "api", "judged")),
]

_ACKNOWLEDGED = (
    ("suites.faq.gates[0].min", '{ kind = "pass-rate", min = 0.9,', '{ kind = "pass-rate", min = 0.1,'),
    ("suites.faq.gates[1]", '    { kind = "must-pass", tags = ["safety"] },\n', ""),
    ("suites.code.gates[0]", 'gates = [{ kind = "no-regression" }]', 'gates = [{ kind = "pass-rate", min = 0.01 }]'),
    ("suites.faq.mode", "trials = 2", 'trials = 2\nmode = "advisory"'),
    ("suites.code.gates[0].alpha", '{ kind = "no-regression" }', '{ kind = "no-regression", alpha = 0.00001 }'),
)


_KEY = "suites.code.baseline"


def _acknowledge(scene: Scene, place: str) -> None:
    table = f"[[acknowledged]]\nchange = {json.dumps(place)}\nreason = 'x'\nowner = 'me'\n\n"
    scene.write(
        "evalgate.toml", scene.text("evalgate.toml").replace("[models.candidate]", f"{table}[models.candidate]")
    )


def _with_acknowledgement(place: str, old: str, new: str) -> Mutation:
    def apply(scene: Scene, chance: Random) -> None:
        scene.write("evalgate.toml", _replacing(old, new)(scene.text("evalgate.toml"), chance))
        _acknowledge(scene, place)
        scene.run["missed"] = ("hard",)

    return Mutation(f"acknowledged: {place}", apply, place, acknowledged=place)


def _bad_baseline(scene: Scene, chance: Random) -> None:
    """Promote a bad run, and acknowledge that oneself."""
    scene.write("baselines/code.json", _baseline(0.0)(scene.text("baselines/code.json"), chance))
    _acknowledge(scene, _KEY)
    scene.run["missed"] = ("question",)


def _by(way: Callable[[Scene, str, str], None], content: Content) -> Mutation:
    path, change, listed, weakens = content

    def apply(scene: Scene, chance: Random) -> None:
        way(scene, path, change(scene.text(path), chance))

    number = _CONTENTS.index(content)
    if way is _by_link_of_its_folder and "/" not in path:
        listed, weakens = "configuration moved", True
    if way is _by_rename and listed in {"calibration changed", "judge's canaries changed"}:
        listed = "judge changed"
    if way is _by_rename and listed in {"prompt changed", "recorded outputs changed"}:
        listed = "target changed"
    return Mutation(f"{way.__name__.strip('_')} {number}: {path}, {listed}", apply, listed, weakens)


def mutations() -> list[Mutation]:
    """Return all mutations; the way of a file's content changes from one to the next, until every pair was made."""
    fixed = [
        *_GAMES,
        *_RUNS,
        *(_with_acknowledgement(*one) for one in _ACKNOWLEDGED),
        Mutation(
            "acknowledged: a bad baseline", _bad_baseline, "baseline edited", acknowledged="suites.code.baseline"
        ),
    ]
    pairs = [
        _by(_WAYS[(index + turn) % len(_WAYS)], content)
        for turn in range(len(_WAYS))
        for index, content in enumerate(_CONTENTS)
    ]
    return [replace(one, name=f"{number:03} {one.name}") for number, one in enumerate([*fixed, *pairs])]
