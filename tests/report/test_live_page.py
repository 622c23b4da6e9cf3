"""The live page in a real browser, and its gate without one."""

import asyncio
import json
from urllib.parse import quote

import httpx
import pytest
from live_runs import FACTS, HOST, TOKEN, Run, address, dish, readings, served, shrunk, wait_for

from mscale_uq.errors import InputError, MscaleError
from mscale_uq.report.live import app as app_module
from mscale_uq.report.live.feed import events
from mscale_uq.report.live.guard import check_reach
from mscale_uq.stream.view import View

browser_test = pytest.mark.slow


# ---- without a browser ------------------------------------------------------------


def heard(folder, last_seen="", until="status"):
    """Return (kind, id, content) of the events up to the first of a kind."""

    async def listen():
        made = []
        async for text in events(folder, last_seen, lambda: True):
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            if "event" in lines:
                made.append((lines["event"], lines.get("id", ""), json.loads(lines["data"])))
                if lines["event"] == until:
                    return made
        raise AssertionError

    return asyncio.run(listen())


def test_a_listener_who_was_cut_off_hears_the_rest_alone(tmp_path):
    run = Run(tmp_path)
    run.feed(*readings(0, 6))
    first = heard(tmp_path)
    steps = [identity for kind, identity, _ in first if kind == "step"]
    assert [int(identity.partition("-")[2]) for identity in steps] == [1, 2, 3, 4, 5, 6]
    assert first[0][2]["whole"]
    run.feed(*readings(6, 8))
    again = heard(tmp_path, steps[3])
    assert [int(i.partition("-")[2]) for kind, i, _ in again if kind == "step"] == [5, 6, 7, 8]
    assert not again[0][2]["whole"]
    assert len(heard(tmp_path, "another-3")) == len(heard(tmp_path))  # of another run: told whole
    assert len(heard(tmp_path, "nonsense")) == len(heard(tmp_path))
    run.journal.close()


def test_a_snapshot_is_told_with_what_it_did_to_every_spread(tmp_path):
    run = Run(tmp_path)
    run.feed(*readings(0, 6), dish(2.25, 3.0))
    told = heard(tmp_path)
    marked = [content for kind, _, content in told if kind == "step" and content["x"]]
    assert [content["t"] for content in marked] == [2.25]
    panels = {panel["title"]: number for number, panel in enumerate(told[0][2]["panels"])}
    expected = shrunk(readings(0, 4), dish(2.25, 3.0))
    # The inflow has no limits: its interval shrinks as the deviation of its coordinate does.
    for position, name in enumerate(("x", "y", "inflow")):
        assert marked[0]["p"][str(panels[name])]["q"] == pytest.approx(expected[position])
    assert expected[1] < 0.5
    run.journal.close()


def asked(folder, path, method="GET", **given):
    app = app_module.live_app(folder, TOKEN, [HOST], lambda: True)
    transport = httpx.ASGITransport(app)

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}:1") as client:
            return await client.request(method, path, **given)

    return asyncio.run(ask())


PAGE = f"/?token={quote(TOKEN)}"
REFUSED = {
    "no token": (("/",), {}, 403),
    "another token": (("/?token=a",), {}, 403),
    "events without a token": (("/events",), {}, 403),
    "another host": ((PAGE,), {"headers": {"host": "evil.example"}}, 400),
    "a host that only begins alike": ((PAGE,), {"headers": {"host": f"{HOST}.evil.example:80"}}, 400),
    "writing": ((PAGE, "POST"), {}, 405),
    "a large body": ((PAGE,), {"content": b"x" * 5000}, 413),
    "another file": ((f"/page.html?token={quote(TOKEN)}",), {}, 404),
    "a file above": ((f"/..%2Fpage.py?token={quote(TOKEN)}",), {}, 404),
}


@pytest.mark.parametrize("what", REFUSED)
def test_who_may_not_see_the_page_is_refused(what, tmp_path):
    arguments, given, status = REFUSED[what]
    answer = asked(tmp_path, *arguments, **given)
    assert answer.status_code == status
    assert TOKEN not in answer.text


def test_the_page_is_for_this_machine_and_loads_nothing_from_elsewhere(tmp_path):
    answer = asked(tmp_path, PAGE)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    for name in ("live.js", "plot.js", "live.css"):
        text = asked(tmp_path, f"/{name}?token={quote(TOKEN)}").text
        assert "http" not in text
        assert "innerHTML" not in text
    assert "http" not in answer.text


def test_others_may_look_only_with_a_token_of_ones_own():
    check_reach("127.0.0.1", None)
    check_reach("0.0.0.0", "sixteen letters.")
    for token in (None, "short"):
        with pytest.raises(InputError, match=r"a --token of at least 16 letters"):
            check_reach("0.0.0.0", token)


def test_a_missing_web_server_is_told_with_what_to_install(tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(app_module, "import_module", missing)
    with pytest.raises(MscaleError, match=r"needs fastapi.*pip install 'mscale_uq\[serve\]'"):
        app_module.live_app(tmp_path, TOKEN, [HOST], lambda: True)


# ---- in a browser ------------------------------------------------------------


def numbers(page):
    return [int(identity.partition("-")[2]) for identity in page.evaluate("mscale.ids")]


def rows(page):
    return page.evaluate("mscale.times.map((t) => [t, mscale.rows.get(t).v])")


@browser_test
def test_every_update_arrives_once_and_in_order_and_a_late_one_replaces_what_it_changed(page, tmp_path):
    with served(tmp_path / "run") as port:
        page.goto(address(port))
        wait_for(page, "document.getElementById('state').textContent.includes('waiting')")
        run = Run(tmp_path / "run")
        for first in range(0, 40, 8):
            run.feed(*readings(first, first + 8))
        wait_for(page, "mscale.times.length === 40")
        assert numbers(page) == list(range(1, 41))
        run.feed(dish(15.25))
        wait_for(page, "mscale.times.length === 41")
        wait_for(page, "mscale.ids.length === 51 && mscale.rows.get(19.5).v === 1")
        assert numbers(page) == list(range(1, 52))  # the dish and the ten times after it, nothing else
        with View(tmp_path / "run") as view:
            assert rows(page) == [[change.row["time"], change.revision] for change in view.steps()]
            shown = page.locator("#verdicts li").all_inner_texts()
            assert {text.split()[1]: int(text.split()[0]) for text in shown} == view.verdicts()
        assert page.locator("figure").count() == 5
        assert page.title() == FACTS["question"]
        run.journal.close()


@browser_test
def test_the_newest_record_that_could_not_be_taken_in_is_told_with_its_reason(page, tmp_path):
    with served(tmp_path / "run") as port:
        run = Run(tmp_path / "run")
        run.feed(*readings(0, 4))
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 4")
        assert page.locator("#letter").inner_text() == ""
        run.feed({"source": "probe", "event_time": 9.0, "valeu": "<b>4</b>"})
        wait_for(page, "document.getElementById('letter').textContent !== ''")
        said = page.locator("#letter").inner_text()
        assert said.startswith("Not taken in, the newest: unknown key 'valeu' (did you mean 'value'?)")
        assert said.endswith("(all: dead_letters.jsonl)")
        run.journal.close()


@browser_test
def test_an_open_page_forgets_a_time_that_has_lost_its_readings(page, tmp_path):
    run = Run(tmp_path)
    run.feed(*readings(0, 10))
    with served(tmp_path) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 10")
        with run.journal.transaction():
            run.journal._db.execute("DELETE FROM step WHERE time = 2.5")
        wait_for(page, "mscale.times.length === 9 && !mscale.rows.has(2.5)")
        run.feed(*readings(10, 12))
        wait_for(page, "mscale.times.length === 11")
    run.journal.close()


@browser_test
def test_an_open_page_whose_run_has_no_step_left_is_empty_and_asks_once(page, tmp_path):
    run, asked_for = Run(tmp_path), []
    page.on("request", lambda request: asked_for.append("/events?" in request.url))
    run.feed(*readings(0, 1))
    with served(tmp_path) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 1 && mscale.records !== null")
        with run.journal.transaction():
            run.journal._db.execute("DELETE FROM step")
        page.wait_for_timeout(1500)
        assert sum(asked_for) == 2  # the first time, and once to hear everything anew
        assert page.evaluate("mscale.times.length + mscale.rows.size") == 0
        assert page.locator("#verdicts li").count() == 0
        run.feed(*readings(1, 3))
        wait_for(page, "mscale.times.length === 2")
    run.journal.close()


@browser_test
def test_a_page_that_lost_its_server_goes_on_where_it_was(page, tmp_path):
    run = Run(tmp_path)
    run.feed(*readings(0, 10))
    with served(tmp_path) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 10")
    wait_for(page, "document.getElementById('state').className === 'lost'")
    run.feed(*readings(10, 25))
    with served(tmp_path, port):
        wait_for(page, "mscale.times.length === 25")
        wait_for(page, "document.getElementById('state').className === 'live'")
        assert numbers(page) == list(range(1, 26))
    run.journal.close()


@browser_test
def test_labels_are_text_whatever_they_say(page, tmp_path):
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    probe = {**FACTS["sources"]["probe"], "name": evil, "meaning": evil, "unit": evil, "places": [evil]}
    facts = {
        **FACTS,
        "question": evil,
        "system": evil,
        "time": [evil, evil],
        "state": [[evil, evil], [evil, evil]],
        "sources": {"probe": probe},
    }
    folder = tmp_path / "<b>bold"
    run = Run(folder, facts)
    run.feed(*readings(0, 3))
    with served(folder) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 3")
        assert page.locator("h1").inner_text() == evil
        assert page.locator("img, h1 *, figcaption script").count() == 0
        assert evil in page.locator("figcaption").nth(1).inner_text()
    run.journal.close()


@browser_test
def test_without_the_token_a_browser_sees_nothing(page, tmp_path):
    with served(tmp_path) as port:
        assert page.goto(address(port, "wrong")).status == 403
        assert "lacks the token" in page.content()
