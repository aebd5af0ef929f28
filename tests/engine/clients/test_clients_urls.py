"""URLs of the usual form, compared with what httpx makes of them."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_evalgate.engine.clients.transport import UsualUrl, parse_url


@given(
    url=st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["http://", "https://", "HTTP://", "http:/", ""]),
            st.sampled_from(
                ["a", "api.example.com", "127.0.0.1", "256.1.1.1", "1.2.3", "01.2.3.4", "[::1]", "A", "ü", "x_y"]
            ),
            st.sampled_from(
                [
                    "",
                    ":1",
                    ":80",
                    ":443",
                    ":8080",
                    ":59999",
                    ":64999",
                    ":65000",
                    ":65535",
                    ":65536",
                    ":99999",
                    ":",
                    ":x",
                ]
            ),
            st.text("/ab.~%2-_:@!;, ü\\?#=&", max_size=8),
        ),
    )
)
@example("http://127.0.0.1:8000/v1/chat/completions")
@example("https://api.example.com/v1/chat/completions?api-version=2024-06-01&x=1")
@example("http://a/../b")
@example("http://a/.b")
@example("http://a/b.?c")
@example("http://a?")
def test_a_url_of_the_usual_form_has_the_parts_that_httpx_finds(url: str) -> None:
    try:
        wanted = httpx.URL(url)
    except httpx.InvalidURL:
        with pytest.raises(httpx.InvalidURL):
            parse_url(url)
        return
    parsed = parse_url(url)
    for name in ("scheme", "raw_host", "port", "netloc", "raw_path"):
        assert getattr(parsed, name) == getattr(wanted, name), name
    assert str(parsed) in {str(wanted), url}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1/chat/completions",
        "http://127.0.0.1:40123/v1/chat/completions",
        "http://localhost:64123/v1",
        "https://api.example.com/v1",
        "http://bot/answer?id=1&x=a-b",
        "http://a",
    ],
)
def test_usual_urls_do_not_need_httpx(url: str) -> None:
    assert isinstance(parse_url(url), UsualUrl)
    code = "import sys; from pytest_evalgate.engine.clients.transport import parse_url, HttpTransport;"
    code += f"parse_url({url!r}); print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.split() == [b"False"]
