"""The verb evidence: what it prints, its exit codes, signatures, and options that do not fit."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.release_shop import RUN, clean_environment, list_few_distributions, make_shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command
    from tests.support.release_shop import Shop


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "pytest-evalgate evidence --out release.zip"),
        (("verify",), "pytest-evalgate evidence verify release.zip"),
        (("verify", "release", "--out", "x"), "pytest-evalgate evidence verify release.zip"),
        (("verify", "one", "other"), "pytest-evalgate evidence verify release.zip"),
        (("verify", "release", "--texts"), "pytest-evalgate evidence verify release.zip"),
        (("20260101T000000Z-aaaa", "--out", "x", "--sha256", "0"), "pytest-evalgate evidence --out release.zip"),
    ],
)
def test_options_that_do_not_fit(folder: Path, evalgate: Command, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = evalgate("evidence", *arguments)
    assert (code, out) == (4, "")
    assert message in err
    assert not list(folder.iterdir())


def test_a_folder_that_is_no_pack(folder: Path, evalgate: Command) -> None:
    (folder / "release").mkdir()
    assert evalgate("evidence", "verify", "release") == (
        1,
        "problem: manifest.json: missing\nnot verified: 1 problem\n",
        "",
    )
    code, out, _ = evalgate("evidence", "verify", "release", "--json")
    assert code == 1
    assert '"verified": false' in out


@pytest.fixture
def shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    clean_environment(monkeypatch)
    list_few_distributions(monkeypatch)
    (folder / "shop").mkdir()
    monkeypatch.chdir(folder / "shop")
    found = make_shop(folder / "shop")
    found.decide()
    return found


def _json(evalgate: Command, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = evalgate("evidence", *arguments, "--json")
    return code, json.loads(out)


@pytest.mark.usefixtures("shop")
@pytest.mark.skipif(shutil.which("git") is None, reason="the pack names commits")
def test_a_pack_is_written_and_verified(evalgate: Command) -> None:
    code, out, err = evalgate("evidence", RUN, "--out", "../release.zip", "--texts")
    assert (code, err) == (0, "")
    sha256 = out.splitlines()[-1].rpartition(" ")[2]
    assert out.splitlines()[:-1] == [
        "RELEASE: go with guardrails",
        "  go: suite faq passes: it passed",
        "  go: suite faq covers requirement R-*: 8 cases passed",
        "wrote 16 files to ../release.zip",
    ]
    code, out, err = evalgate("evidence", "verify", "../release.zip", "--repository", ".", "--sha256", sha256)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "verified: go with guardrails",
        f"SHA-256 of manifest.json: {sha256}",
        "not signed: a pack that was made again as a whole is found by its digest or a signature only",
    ]
    code, found = _json(evalgate, "--out", "../release")
    assert (code, found["decision"], found["signature"]) == (0, "go with guardrails", None)


def test_the_brief_has_the_facts_of_the_page(shop: Shop, evalgate: Command) -> None:
    shop.call("tag", "v1.0")
    shop.edit("evalgate.toml", "min = 0.5", "min = 0.4")
    shop.edit("golden/faq.card.toml", "no voice", "none")
    shop.decide()
    assert evalgate("evidence", RUN, "--out", "../release")[0] == 0
    assert evalgate("report", RUN, "--format", "brief")[0] == 0
    brief = (shop.root / ".evalgate/brief.md").read_text("utf-8")
    assert brief == (shop.root.parent / "release/readiness.md").read_text("utf-8")
    assert "data card golden/faq.card.toml differs from that of commit" in brief.replace("\\", "")


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen signs")
def test_a_pack_is_signed_and_the_signature_is_checked(shop: Shop, evalgate: Command) -> None:
    key = shop.root.parent / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    signers = shop.write("../signers", f"qa {key.with_suffix('.pub').read_text('ascii')}")
    code, out, err = evalgate("evidence", "--out", "../release.zip", "--sign", str(key))
    assert (code, err, out.splitlines()[-1]) == (0, "", "signed: ../release.zip.sig")
    pack = ("verify", "../release.zip")
    code, out, _ = evalgate("evidence", *pack)
    assert (code, out.splitlines()[-1]) == (
        0,
        "../release.zip.sig was not checked: name the allowed signers with --signers",
    )
    code, out, _ = evalgate("evidence", *pack, "--signers", str(signers))
    assert (code, out.splitlines()[-1]) == (0, "signed by qa")
    assert _json(evalgate, *pack, "--signers", str(signers))[1]["signer"] == "qa"
    (shop.root / "../release.zip.sig").unlink()
    code, found = _json(evalgate, *pack, "--signers", str(signers))
    assert (code, found["problems"]) == (1, ["../release.zip.sig: missing: the pack is not signed"])
    code, out, err = evalgate("evidence", *pack, "--signature", "x.sig")
    assert (code, out) == (4, "")
    assert "name the allowed signers: --signers FILE" in err
