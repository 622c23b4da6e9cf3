"""Messages a second through the journal: `python bench_stream.py`.

A thousand messages of a probe, as JSON Lines, with a checkpoint every twenty analysis times. First as fast as
they come, in batches of 256 and a transaction each; then one by one, as a slow instrument sends them, each in
a transaction of its own that is on the disk before the next; then with a tenth of the messages ten seconds
late, so that what follows them is replayed. Beside them the same filter in memory alone, without parsing,
journal and rows. All end in the same state, to the last bit. A figure is the best of three, by the clock and
by processor time: the first waits for the disk and for what else the machine does.
"""

import sys
import tempfile
import time
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

sys.path.insert(0, str(Path(__file__).parents[1] / "stream"))
from streams import as_lines, begin, followed, opened, readings, records, same

from mscale_uq.stream.lines import FileLines
from mscale_uq.stream.records import JsonLines, Objects

COUNT, TRIES, BEHIND = 1000, 3, 20


def in_memory():
    """The filter alone."""
    now = begin()
    for one in readings(COUNT):
        now, _ = now.update(one)
    return now.state


def from_file(folder, items):
    """Through a file, in batches."""
    path = folder / "stream.jsonl"
    path.write_text(as_lines(items))
    return lambda run: followed(run, JsonLines(FileLines(path)))


def one_by_one(run):
    """Every message alone."""
    journal, follower = opened(run)
    with journal:
        for number, item in enumerate(records(COUNT)):
            follower.take("objects", Objects([item], taken=number).read(number))
            follower.settle()
        return follower.now.state


def mixed():
    """A tenth of the messages comes twenty places, ten seconds, after its turn."""
    items = records(COUNT)
    late = [item for item in items if item["seq"] % 10 == 5]
    rows = [(item["seq"] + (BEHIND + 0.5 if item in late else 0), item) for item in items]
    return [item for _, item in sorted(rows, key=lambda row: row[0])]


def best(work, folder, name):
    """Messages a second in the fastest try, by the clock and by processor time, and the last state."""
    seconds = []
    for number in range(TRIES):
        begun = time.perf_counter(), time.process_time()
        state = work(folder / f"{name}{number}")
        seconds.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    return *(COUNT / min(each) for each in zip(*seconds, strict=True)), state


def told(way, clock, processor):
    """Print a line."""
    print(f"{way:17s} {clock:6.0f} messages a second, {processor:6.0f} a second of processor time")


def main():
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clock, processor, exact = best(lambda _: in_memory(), folder, "memory")
        told("the filter alone", clock, processor)
        ways = {
            "in batches": from_file(folder, records(COUNT)),
            "one by one": one_by_one,
            "a tenth late": from_file(folder, mixed()),
        }
        for way, work in ways.items():
            clock, processor, state = best(work, folder, way)
            assert same(state, exact), way
            told(way, clock, processor)


if __name__ == "__main__":
    main()
