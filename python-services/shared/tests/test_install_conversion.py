"""A conversion by the installer: whole or not there, and nothing of the user's is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hyperllama_service.install_kinds import make_conversion
from install_case import Place


def test_a_conversion_leaves_alone_what_lies_beside_a_path_of_the_user(any_place: Place) -> None:
    folder = any_place.folder / "own"
    for name in ("model.staging-photos", "model.staging-4711"):
        (folder / name).mkdir(parents=True)
        (folder / name / "photo").touch()
    (folder / "model.lock").write_text("of somebody else")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    installed = any_place.start_conversion(folder / "model").wait("installed")
    assert installed["was"] == "new"
    assert all(path.read_bytes() == data for path, data in before.items())
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["model", "model.lock", "model.staging-4711", "model.staging-photos"]


@pytest.mark.parametrize("kind", ["link", "folder", "file"])
def test_a_conversion_takes_no_place_that_is_taken(any_place: Place, kind: str) -> None:
    target = any_place.folder / "own"
    if kind == "link":
        target.symlink_to("nowhere")
    elif kind == "folder":
        target.mkdir()
    else:
        target.write_text("of the user")
    failed = any_place.start_conversion(target).wait("failed")
    assert failed["code"] == "HL_CONVERSION_FAILED"
    assert "is there already" in failed["because"]
    assert os.path.lexists(target)
    assert not (target / "config.json").exists()


def test_believes_a_conversion_of_ours_only_when_it_is_whole(any_place: Place) -> None:
    target = any_place.folder / "models" / "m" / "safetensors-bf16"
    (target.parent / f"{target.name}.staging-4711").mkdir(parents=True)
    target.mkdir()
    (target / "config.json").touch()
    assert any_place.start_conversion(target, isOurs=True).wait("installed")["was"] == "new"
    assert (target / "model.safetensors").exists()
    assert any_place.start_conversion(target, isOurs=True).wait("installed")["was"] == "present"
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == ["safetensors-bf16", "safetensors-bf16.lock"]


def test_a_conversion_is_on_the_disk_before_it_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    made, target = tmp_path / "made", tmp_path / "target"
    made.mkdir()
    (made / "config.json").touch()

    class Made:
        def __init__(self) -> None:
            self.staging = str(tmp_path)
            self.order = {"python": "", "service": "", "arguments": [], "target": str(target)}

        def enter(self, _: str) -> None:
            """Nothing to tell."""

        def run(self, _: object) -> None:
            """It is made."""

    def put(source: str, place: str) -> None:
        assert synced == [(made / "config.json").stat().st_ino, made.stat().st_ino]
        os.rename(source, place)

    monkeypatch.setattr(os, "replace", put)
    make_conversion(Made())  # type: ignore[arg-type]
    assert synced[2:] == [tmp_path.stat().st_ino]
