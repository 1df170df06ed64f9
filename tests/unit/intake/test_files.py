"""Which files a folder gives: those below it, whatever links lie there."""

import pytest

from salus.core.errors import NotFound
from salus.intake.files import find_files, skipped_files


@pytest.fixture
def folders(tmp_path):
    """Return a folder to load, and one outside that holds what nobody asked for."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    return inside, outside


def test_links_that_lead_out_of_the_folder_are_not_followed_but_named(folders):
    inside, outside = folders
    (inside / "deep" / "a.json").write_text("{}")
    (inside / "again.json").symlink_to(inside / "deep" / "a.json")
    (inside / "link.json").symlink_to(outside / "secret.json")
    (inside / "deep" / "relative.json").symlink_to("../../out/secret.json")
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    (inside / "gone.json").symlink_to(outside / "nothing.json")
    (inside / "loop.json").symlink_to(inside / "loop.json")
    found = [file.path for file in find_files([str(inside)], "urn:h")]
    assert found == [str(inside / "again.json"), str(inside / "deep" / "a.json")]
    assert skipped_files([str(inside)]) == [
        str(inside / name) for name in ("deep/relative.json", "folder", "gone.json", "link.json", "loop.json")
    ]


def test_a_folder_of_links_out_of_it_holds_nothing(folders):
    inside, outside = folders
    (inside / "link.json").symlink_to(outside / "secret.json")
    with pytest.raises(NotFound, match="not followed"):
        find_files([str(inside)], "urn:h")


def test_a_link_named_on_the_command_line_is_followed(folders):
    inside, outside = folders
    link = inside / "link.json"
    link.symlink_to(outside / "secret.json")
    assert [file.path for file in find_files([str(link)], "urn:h")] == [str(outside / "secret.json")]
