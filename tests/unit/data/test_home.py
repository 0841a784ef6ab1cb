"""The data directory: how it is named, what it lacks, what was changed in it; the real digests."""

from pathlib import Path

import pytest

from tessera.data.catalogue import DATASETS, GENEVAL, T2I_COMPBENCH, dataset
from tessera.data.home import DATA_VARIABLE, data_dir, find, note, state
from tessera.errors import UserError
from tests.outside import outside
from tests.unit.data.small import write_data


def test_the_flag_goes_before_the_variable_and_that_before_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert data_dir() == tmp_path / ".cache" / "tessera" / "data"
    monkeypatch.setenv(DATA_VARIABLE, "~/prompts")
    assert data_dir() == tmp_path / "prompts"
    assert data_dir(Path("elsewhere")) == Path("elsewhere")


def test_what_is_missing_is_one_sentence_with_command_home_and_setting(tmp_path: Path) -> None:
    with pytest.raises(UserError) as told:
        find("t2i-compbench", tmp_path)
    message = str(told.value)
    for word in (
        str(tmp_path / "t2i_compbench"),
        "lacks dataset/3d_spatial.txt and 36 more files",
        "tessera data get t2i-compbench",
        "https://github.com/Karine-Huang/T2I-CompBench",
        "--data-dir",
        DATA_VARIABLE,
    ):
        assert word in message
    assert "\n" not in message


def test_the_licence_need_not_be_there_to_read_the_prompts(tmp_path: Path) -> None:
    assert find("geneval", write_data(tmp_path)) == tmp_path / "geneval"
    assert not (tmp_path / "geneval" / "LICENSE").exists()


def test_a_changed_file_is_read_and_told_of(tmp_path: Path) -> None:
    write_data(tmp_path)
    assert note("geneval", tmp_path) == (
        "geneval: evaluation_metadata.jsonl and 1 more file differ from what djghosh13/geneval publishes."
    )
    assert state(GENEVAL.files, tmp_path / "geneval").changed == (
        "evaluation_metadata.jsonl",
        "object_names.txt",
    )


def test_a_file_of_equal_size_and_other_content_is_changed(tmp_path: Path) -> None:
    names = GENEVAL.files[1]
    (tmp_path / names.path).write_bytes(b"x" * names.size)
    found = state((names,), tmp_path)
    assert (found.missing, found.changed, found.whole) == ((), (names.path,), False)


def test_an_unknown_data_set_names_the_nearest_one() -> None:
    with pytest.raises(UserError, match="Did you mean 't2i-compbench'"):
        dataset("compbench")


def test_every_file_has_a_digest_of_its_own_and_a_place_in_its_folder() -> None:
    files = [file for each in DATASETS for file in (*each.files, *each.terms)]
    assert len({file.sha256 for file in files}) == len(files) == 44
    for file in files:
        assert len(file.sha256) == 64
        assert not Path(file.path).is_absolute()
        assert ".." not in Path(file.path).parts
    assert len(T2I_COMPBENCH.files) == 37


@pytest.mark.parametrize("name", [each.name for each in DATASETS])
def test_the_real_files_have_the_digests_of_the_catalogue(name: str) -> None:
    known = dataset(name)
    root = outside(known.folder).parent
    assert state((*known.files, *known.terms), root / known.folder).whole
    assert note(name, root) == ""
