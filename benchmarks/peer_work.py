"""The work of `benchmarks.peers` in another tool: ``PEER URL CASES CONCURRENCY``, in the environment of that tool.

A case is a call of the target and a call of the tool's own LLM judge, over the tool's own way to run cases
concurrently. Each is written as the tool's documentation shows it, without its progress display, store and telemetry.
Connections to other machines are refused.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.projects import question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RUBRIC: Final = "Does it ask for a number?"
MODEL: Final = "scripted"
KEY: Final = "sk-benchmark-0123456789"


CLOSED: Final = "http://127.0.0.1:9"  # a port that nothing listens on
LOOPBACK: Final = ("127.", "::1", "localhost")


def main() -> None:
    sys.addaudithook(_refuse)
    peer, base_url, cases, concurrency = sys.argv[1:]
    PEERS[peer](base_url, int(cases), int(concurrency))


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to look up or connect to another machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host is not None and not str(host).startswith(LOOPBACK):
        raise OSError(f"no connection to {host}: this is a benchmark")


def target(base_url: str, concurrency: int) -> Callable[[str], Awaitable[str]]:
    """Return the application that is tested: one call of AsyncOpenAI, with a connection for each concurrent call."""
    import openai  # noqa: PLC0415 - in its own environment

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=concurrency, max_keepalive_connections=concurrency)
    http_client = openai.DefaultAsyncHttpxClient(limits=limits)
    client = openai.AsyncOpenAI(api_key=KEY, base_url=base_url, http_client=http_client)

    async def ask(text: str) -> str:
        reply = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
        return reply.choices[0].message.content or ""

    return ask


def pydantic_evals(base_url: str, cases: int, concurrency: int) -> None:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - in its own environment
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415 - the same
    from pydantic_evals import Case, Dataset  # noqa: PLC0415 - the same
    from pydantic_evals.evaluators import LLMJudge  # noqa: PLC0415 - the same

    judge = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base_url, api_key=KEY))
    dataset = Dataset(
        name="bench",
        cases=[Case(name=str(number), inputs=question(number)) for number in range(cases)],
        evaluators=[LLMJudge(rubric=RUBRIC, model=judge)],
    )
    report = dataset.evaluate_sync(target(base_url, concurrency), max_concurrency=concurrency, progress=False)
    assert len(report.cases) == cases, report.failures
    assert all(one.assertions["LLMJudge"].value for one in report.cases)


def inspect_ai(base_url: str, cases: int, concurrency: int) -> None:
    from inspect_ai import Task, eval  # noqa: A004, PLC0415 - in its own environment, and it is called so
    from inspect_ai.dataset import Sample  # noqa: PLC0415 - the same
    from inspect_ai.scorer import model_graded_qa  # noqa: PLC0415 - the same
    from inspect_ai.solver import generate  # noqa: PLC0415 - the same

    task = Task(
        dataset=[Sample(id=number, input=question(number), target=RUBRIC) for number in range(cases)],
        solver=generate(),
        scorer=model_graded_qa(),
    )
    (log,) = eval(
        task,
        model=f"openai/{MODEL}",
        model_base_url=base_url,
        max_connections=concurrency,
        max_samples=concurrency,
        display="none",
        log_dir="logs",
    )
    assert log.status == "success", log.error
    assert log.results.completed_samples == cases


def deepeval(base_url: str, cases: int, concurrency: int) -> None:
    from deepeval import evaluate  # noqa: PLC0415 - in its own environment
    from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig  # noqa: PLC0415 - the same
    from deepeval.metrics import GEval  # noqa: PLC0415 - the same
    from deepeval.models import LocalModel  # noqa: PLC0415 - the same
    from deepeval.test_case import LLMTestCase, LLMTestCaseParams  # noqa: PLC0415 - the same

    inputs = [question(number) for number in range(cases)]
    outputs = asyncio.run(_all(target(base_url, concurrency), inputs, concurrency))
    metric = GEval(
        name="asks",
        evaluation_steps=[RUBRIC],
        evaluation_params=[LLMTestCaseParams.INPUT, LLMTestCaseParams.ACTUAL_OUTPUT],
        model=LocalModel(model=MODEL, base_url=base_url, api_key=KEY),
        threshold=0.1,
    )
    result = evaluate(
        [LLMTestCase(input=text, actual_output=output) for text, output in zip(inputs, outputs, strict=True)],
        [metric],
        async_config=AsyncConfig(max_concurrent=concurrency),
        cache_config=CacheConfig(write_cache=False),
        display_config=DisplayConfig(show_indicator=False, print_results=False),
    )
    assert len(result.test_results) == cases
    assert all(one.success for one in result.test_results)


async def _all(ask: Callable[[str], Awaitable[str]], inputs: list[str], concurrency: int) -> list[str]:
    free = asyncio.Semaphore(concurrency)

    async def one(text: str) -> str:
        async with free:
            return await ask(text)

    return await asyncio.gather(*map(one, inputs))


def promptfoo(base_url: str, cases: int, concurrency: int) -> None:
    provider = {"id": f"openai:chat:{MODEL}", "config": {"apiBaseUrl": base_url, "apiKey": KEY}}
    config: dict[str, Any] = {
        "prompts": ["{{question}}"],
        "providers": [provider],
        "defaultTest": {"assert": [{"type": "llm-rubric", "value": RUBRIC, "provider": provider}]},
        "tests": [{"vars": {"question": question(number)}} for number in range(cases)],
    }
    Path("promptfooconfig.json").write_text(json.dumps(config), encoding="utf-8")
    quiet = ["--no-cache", "--no-table", "--no-progress-bar", "--no-write"]
    command = [os.environ["PROMPTFOO"], "eval", "-c", "promptfooconfig.json", "-j", str(concurrency), *quiet]
    nowhere = {"HTTP_PROXY": CLOSED, "HTTPS_PROXY": CLOSED, "NO_PROXY": "127.0.0.1,localhost"}
    done = subprocess.run(
        [*command, "-o", "results.json"], check=False, capture_output=True, text=True, env={**os.environ, **nowhere}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    stats = json.loads(Path("results.json").read_text(encoding="utf-8"))["results"]["stats"]
    assert stats["successes"] == cases, stats


PEERS: Final = {
    "pydantic-evals": pydantic_evals,
    "inspect-ai": inspect_ai,
    "deepeval": deepeval,
    "promptfoo": promptfoo,
}

if __name__ == "__main__":
    main()
