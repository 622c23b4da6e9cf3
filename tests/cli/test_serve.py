"""`mscale serve`: who is refused, and the whole of it, a case followed and shown, ended by one signal."""

import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from typer.testing import CliRunner

from mscale_uq.catalog import data_root, find_case
from mscale_uq.cli.commands import app

TOKEN = "sixteen-letters-or-more"


def mscale(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_other_machines_see_it_only_with_a_token(tmp_path):
    done = mscale("serve", tmp_path, "--host", "0.0.0.0")
    assert done.exit_code == 3
    assert "--host 0.0.0.0; allowed: a --token of at least 16 letters" in done.output
    done = mscale("serve", tmp_path, "--host", "192.0.2.7", "--token", "short")
    assert done.exit_code == 3


def test_what_is_no_stream_is_refused(tmp_path):
    done = mscale("serve", tmp_path)
    assert done.exit_code == 3
    assert "holds no run that follows a stream" in done.output
    done = mscale("serve", "local_level")
    assert done.exit_code == 3
    assert "no section [stream]" in done.output


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_case_is_followed_and_shown_and_both_end_together(tmp_path):
    flows = (data_root() / "local_level" / "nile.csv").read_text().splitlines()
    text = find_case("local_level").read_text().replace("local_level/nile.csv", "first.csv")
    (tmp_path / "nile.toml").write_text(
        text.replace("smooth = true", "") + '\n[stream]\nsource = "live.csv"\n'
    )
    (tmp_path / "first.csv").write_text("\n".join(flows[:11]) + "\n")
    (tmp_path / "live.csv").write_text("\n".join([flows[0], *flows[11:]]) + "\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "run"
    arguments = ["serve", tmp_path / "nile.toml", "--out", out, "--port", port, "--token", TOKEN]
    command = [sys.executable, "-m", "mscale_uq", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        assert address == f"http://127.0.0.1:{port}/?token={TOKEN}"
        assert "live.js" in _page(address)
        events = address.replace("/?", "/events?")
        years = set()
        with httpx.stream("GET", events, timeout=60) as answer:
            for line in answer.iter_lines():
                if line.startswith('data: {"t":'):
                    years.add(float(line[len('data: {"t":') :].partition(",")[0]))
                if len(years) == 100:
                    break
        assert years == set(range(1871, 1971))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    again = mscale("assimilate", tmp_path / "nile.toml", "--out", out, "--stop-when-idle", "0")
    assert again.exit_code == 0, again.output  # nobody holds the journal any more


def _page(address):
    for _ in range(300):
        try:
            return httpx.get(address).text
        except httpx.ConnectError:
            time.sleep(0.2)
    raise AssertionError(address)
