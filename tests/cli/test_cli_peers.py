import json


def test_agreement_of_all_teachers(xner, ensemble, tmp_path):
    output = tmp_path / "peers.json"
    code, printed = xner("peers", ensemble, "raw.txt", "--output", output)
    assert code == 0, printed
    found = json.loads(output.read_text("utf8"))
    assert set(found["agreement"]) == {"tagger", "names"}
    assert all(0.0 <= value <= 1.0 for value in found["agreement"].values())
    assert found["heard"] == []
    assert "tagger" in printed


def test_a_guest_needs_two_others(xner, ensemble):
    code, printed = xner("peers", ensemble, "raw.txt", "--guest", "names")
    assert code == 0, printed
    assert "not worth hearing" in printed
    assert "Two teachers that are no guests are needed" in printed


def test_bad_input(xner, ensemble, tmp_path):
    code, printed = xner("peers", ensemble, "raw.txt", "--guest", "nobody")
    assert (code, "[X403]" in printed) == (1, True), printed
    code, printed = xner("peers", "tagger", "raw.txt")
    assert (code, "[X410]" in printed) == (1, True), printed
    code, printed = xner("peers", ensemble, "none.txt")
    assert code == 1, printed
    (tmp_path / "empty.txt").write_text("")
    code, printed = xner("peers", ensemble, tmp_path / "empty.txt")
    assert code == 1, printed
