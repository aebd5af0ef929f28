"""The verb ``view``: its options, its process, and what it leaves alone."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import TOKEN

from pytest_evalgate.cli import main
from pytest_evalgate.errors import UserError
from pytest_evalgate.server.serving import bound_socket

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from pytest_evalgate.app.project import Project

_CODE = "import sys; from pytest_evalgate.cli import main; sys.exit(main())"


def _started(project: Project, *options: str, **environ: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _CODE, "view", "--port", "0", "--no-open", *options]
    return subprocess.Popen(
        words, cwd=project.root, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Interrupt a process as Ctrl-C does; return its exit code and what it printed to standard error."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_it_prints_its_address_and_ends_on_ctrl_c(shop: Project) -> None:
    with _started(shop, "--json") as process:
        assert process.stdout is not None
        lines = itertools.takewhile(lambda line: line != "}\n", process.stdout)
        printed = json.loads("".join(lines) + "}")
        assert printed["url"] == f"http://127.0.0.1:{printed['port']}/"
        assert httpx.get(f"{printed['url']}v1/runs?limit=1", trust_env=False).status_code == 200
        assert _interrupted(process) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_the_token_is_that_of_the_environment(shop: Project) -> None:
    with _started(shop, "--token", "--host", "0.0.0.0", EVALGATE_VIEW_TOKEN=TOKEN) as process:  # noqa: S104 - with a token
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.endswith(f"/login?token={TOKEN}")
        port = url.rpartition("/")[0].rpartition(":")[2]
        own = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{own}/v1/runs", trust_env=False).status_code == 401
        with httpx.Client(trust_env=False, follow_redirects=True) as client:
            assert client.get(f"{own}/login?token={TOKEN}").url == f"{own}/"
            assert client.get(f"{own}/v1/runs").status_code == 200
        assert _interrupted(process) == (0, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "--host 0.0.0.0: others could read the results: add --token"),  # noqa: S104 - refused
        (("--port", "65536"), "--port 65536: give a number from 0 to 65535"),
        (("--port", "-1"), "--port -1: give a number"),
        (("--host", "none.invalid", "--token"), "--host none.invalid: "),
    ],
)
def test_options_that_cannot_be_used_end_with_4(
    shop: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(shop.root)
    assert main(["view", "--no-open", *options]) == 4
    assert message in capsys.readouterr().err


def test_a_short_token_is_refused(
    shop: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop.root)
    monkeypatch.setenv("EVALGATE_VIEW_TOKEN", "short")
    assert main(["view", "--no-open", "--token"]) == 4
    assert "EVALGATE_VIEW_TOKEN: shorter than 16 characters" in capsys.readouterr().err


def test_an_empty_store_is_reported_before_anything_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evalgate.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["view", "--no-open"]) == 4
    assert "no run is stored there; store runs with: pytest-evalgate store push" in capsys.readouterr().err


def test_without_the_extra_the_message_names_it(
    shop: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("pytest_evalgate.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.chdir(shop.root)
    assert main(["view", "--no-open"]) == 4
    assert "the page needs uvicorn: pip install 'pytest-evalgate[view]'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named_with_a_way_out() -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}: .*pytest-evalgate view --port 0"):
            bound_socket("127.0.0.1", port)


def test_only_loopback_is_bound_by_default(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_evalgate.server import serving  # noqa: PLC0415 - patched

    bound: list[Any] = []

    def serve(_: object, listening: socket.socket) -> None:
        bound.append(listening.getsockname())

    opened = threading.Event()

    def browse(address: str) -> bool:
        opened.set()
        return address.startswith("http://127.0.0.1:")

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.setattr("webbrowser.open", browse)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(shop.root)
    assert main(["view", "--port", "0"]) == 0
    assert [address for address, _ in bound] == ["127.0.0.1"]
    assert opened.wait(60)


_OTHERS = """
import contextlib, io, sys
import pytest_evalgate.plugin
from pytest_evalgate.cli import main
for words in ("schema openapi", "query series faq pass_rate", "query compare previous newest"):
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(words.split()) == 0
with contextlib.suppress(SystemExit):
    main(["view", "--help"])
print(*sys.modules, file=sys.stderr)
"""


def test_nothing_else_loads_the_server_of_others(shop: Project) -> None:
    found = subprocess.run(
        [sys.executable, "-c", _OTHERS], cwd=shop.root, capture_output=True, text=True, check=True, timeout=120
    )
    assert "pytest_evalgate.server.openapi" in found.stderr.split()
    assert {"starlette", "uvicorn", "anyio"} & set(found.stderr.split()) == set()
