"""`mscale doctor` sees what is planted."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from mscale_uq.cli.commands import app
from mscale_uq.cli.doctor import disk, imported, libraries, models
from mscale_uq.diagnose.machine import share_of_processor, sync_seconds, usable_cores


def bad(findings):
    return [finding.found for finding in findings if finding.good is False]


def test_a_library_that_is_missing_or_too_old_is_told_with_what_helps():
    required = ["numpy>=2", "numpy>=99", "no-such-library>=1", "no-such-extra; extra == 'omics'"]
    said = bad(libraries(required))
    assert said[0].startswith(f"numpy {version('numpy')}, needed is >=99; hint: pip install")
    assert said[1].startswith("no-such-library is not there, needed is >=1; hint: pip install")
    missing = [f.found for f in libraries(required) if f.what == "extras not there"]
    assert missing == ["omics; hint, if needed: pip install 'mscale_uq[omics]'"]


def test_a_folder_that_cannot_keep_a_file_is_told(tmp_path):
    assert disk(tmp_path).good
    assert list(tmp_path.iterdir()) == []
    refused = disk(tmp_path / "nowhere")
    assert refused.good is False
    assert "No such file or directory" in refused.found
    with pytest.raises(OSError, match="No such file"):
        sync_seconds(tmp_path / "nowhere")


def test_folders_of_private_systems_that_are_overlooked_are_told(tmp_path):
    (tmp_path / "wild").mkdir()
    (tmp_path / "wild/mine.py").write_text("")
    said = bad(models(f"{tmp_path}:{tmp_path}/nowhere"))
    assert said == [
        f"{tmp_path}/wild is overlooked: no __init__.py; hint: touch __init__.py there",
        f"{tmp_path}/nowhere is no folder; hint: correct MSCALE_UQ_MODELS, or `mscale new NAME` makes it",
    ]


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 0.5), ("max 100000", None), ("what", None)])
def test_a_containers_quota_limits_the_cores(tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == (cores or usable_cores(tmp_path / "nowhere"))


def test_the_share_of_a_processor_is_what_was_used_of_it():
    assert 0 < share_of_processor(seconds=0.05).threads < usable_cores() + 1


def test_a_slow_import_is_blamed_on_a_busy_machine_before_a_disk():
    assert imported(4.0, busy=3.0, crowded=True).good
    crowded = imported(111.0, busy=5.0, crowded=True)
    assert crowded.good is None
    assert "had a core for 5.0 s" in crowded.found
    slow = imported(111.0, busy=5.0, crowded=False)
    assert slow.good is False
    assert "network disk" in slow.found


@pytest.mark.slow
def test_the_doctor_finds_this_installation_healthy():
    done = CliRunner().invoke(app, ["doctor"])
    for line in (
        "ok   libraries: ",
        " PyMC: imported in ",
        "     cores: ",
        "ok   compiled kernels: ",
        "     speed: ",
    ):
        assert line in done.output
    assert "BAD  librar" not in done.output
