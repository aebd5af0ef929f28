"""Scripts of benchmarks/: what they print of figures, and what they do when one fails."""

import pytest
from benchmarks import calls, peer_work, peers, speed, two_trees
from benchmarks.peers import Cell
from benchmarks.processes import Used
from benchmarks.rows import Row


def used(wall_s: float) -> Used:
    return Used(wall_s, cpu_s=2.0, peak_mb=104.4, others=0.1, output="", started_at=0.0)


def test_the_page_of_other_tools_has_a_row_a_tool_and_a_dash_for_what_failed() -> None:
    cells = [Cell("bare aiohttp", 1000, 32, used(13.44), 2000), Cell("slow", 1000, 32, None, 3)]
    page = peers.page(cells, {"bare aiohttp": "3.14.5", "slow": "1.0"}, load=0.25, rounds=2)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert table[0] == "| tool | version | N = 1,000, c = 32 | CPU a case | memory |"
    assert table[2:] == [
        "| the limit | | 12.80 | | |",
        "| bare aiohttp | 3.14.5 | 13.44 (1.05) | 2.0 ms | 104 MiB |",
        "| slow | 1.0 | - | - | - |",
    ]
    assert "load average 0.2 at the start; least of 2 rounds." in page


@pytest.mark.parametrize("address", [("127.0.0.1", 80), ("::1", 80, 0, 0), "/a/unix/socket"])
def test_other_tools_may_connect_to_this_machine(address: object) -> None:
    peer_work._refuse("socket.connect", (None, address))


@pytest.mark.parametrize(
    ("event", "arguments"),
    [("socket.connect", (None, ("93.184.216.34", 443))), ("socket.getaddrinfo", ("a.example",))],
)
def test_other_tools_may_connect_to_no_other(event: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(OSError, match="this is a benchmark"):
        peer_work._refuse(event, arguments)


def test_every_script_is_run_after_one_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = {"broken": None, "missed": Row("m", 2.0, 1.0, "s"), "good": Row("g", 0.5, 1.0, "s")}

    def rows_of(name: str) -> list[Row]:
        row = scripts[name]
        if row is None:
            raise AssertionError("not 2000 calls")
        return [row]

    monkeypatch.setattr(speed, "rows_of", rows_of)
    monkeypatch.setattr("sys.argv", ["speed", *scripts])
    assert speed.main() == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "bounds missed in: broken (it failed), missed"
    assert "not 2000 calls" in shown.err
    monkeypatch.setattr("sys.argv", ["speed", "good"])
    assert speed.main() == 0


def test_the_better_round_of_two_trees_is_the_least_or_for_a_rate_the_most() -> None:
    assert two_trees._best([Row("t", 2.0, 1.0, "s"), Row("t", 1.5, 1.0, "s")]).figure == 1.5
    assert (
        two_trees._best([Row("r", 2.0, 1.0, "x", at_least=True), Row("r", 1.5, 1.0, "x", at_least=True)]).figure == 2
    )


def test_the_limit_is_two_latencies_a_wave() -> None:
    assert calls.Work("http", 1000, 64).limit_s == pytest.approx(6.4)
    assert calls.arguments([]).concurrency == "32,64,128"
    assert two_trees.arguments(["a", "b", "startup"]).scripts == ["startup"]
