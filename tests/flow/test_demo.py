"""`salus demo`: the story is told truthfully, its figures can be read again, and nothing stays behind."""

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from tests.attack.secrets_told import secrets_told

from salus.cli.demo import say_begun
from salus.cli.story.account import Account, NodeAccount, Step
from salus.cli.story.beginning import enough
from salus.cli.story.home import may_be_told_of
from salus.cli.story.report import print_account, print_logins
from salus.cli.story.rights import agreeing
from salus.cli.story.stage import Wishes
from salus.cli.token import make_token
from salus.core.access import Role
from salus.intake.synth.generator import synthesize
from salus.settings import read_settings

SALUS = [sys.executable, "-m", "salus.cli.main"]
STEPS = [
    "start", "federation", "load", "citizen", "record", "identify", "refusal", "summary", "languages",
    "documents", "dispense", "returned", "accesses", "verify", "restrict", "second-look", "silence",
]  # fmt: skip


def demo(folder, *options):
    return subprocess.Popen(
        [*SALUS, "demo", "--json", "--persons", "5", "--data", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of(folder):
    """Return the command lines of running processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if any(str(folder).encode() in word for word in words):
            found.append(b" ".join(words).decode())
    return found


def read_object(stream):
    """Return the JSON object that is written on the stream, as text, without waiting for the stream's end."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.rstrip() == "}":
            break
    return "".join(lines)


class Told:
    """A story that was told and whose nodes still run."""

    def __init__(self, account):
        self.account = account
        self.steps = {step["name"]: step for step in account["steps"]}
        self.nodes = {node["country"]: node for node in account["nodes"]}

    def figure(self, step, name):
        return self.steps[step]["figures"][name]

    def ask(self, country, role, path, *, patient="", body=None):
        node = self.nodes[country]
        data = Path(node["data"])
        token = make_token(data, read_settings(data), Role(role), None, patient or None, seconds=None)
        headers = {"authorization": f"Bearer {token}"}
        method = "GET" if body is None else "POST"
        return httpx.request(method, node["base_url"] + path, headers=headers, json=body, timeout=30)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "story"
    with demo(folder, "--seed", "7") as process:
        try:
            output = read_object(process.stdout)
            yield Told(json.loads(output))
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=60)
    assert process.returncode == 0
    logs = [path.read_text() for path in folder.rglob("*.log")]
    assert secrets_told("".join([output, *rest, *logs]), *folder.rglob("keys")) == []
    assert processes_of(folder) == []


def test_every_step_did_what_the_story_says(told):
    assert [(step["name"], step["outcome"], step["reason"]) for step in told.account["steps"]] == [
        (name, "done", "") for name in STEPS
    ]
    assert told.account["ok"] is True


def test_the_three_nodes_are_three_processes_with_folders_of_their_own(told):
    assert sorted(told.nodes) == ["EE", "FR", "PT"]
    assert len({node["pid"] for node in told.nodes.values()}) == 3
    assert all((Path(node["data"]) / "keys").is_dir() for node in told.nodes.values())


def test_the_dispensation_can_be_read_again_at_home(told):
    dispensation = told.figure("dispense", "dispensation")
    answer = told.ask("PT", "clinician", f"/fhir/{dispensation}").json()
    prescription = told.ask("PT", "clinician", f"/fhir/{told.figure('record', 'prescription')}").json()
    assert answer["authorizingPrescription"][0]["reference"] == told.figure("record", "prescription")
    assert prescription["status"] == told.figure("returned", "prescription status")
    assert prescription["meta"]["versionId"] == str(told.figure("returned", "prescription versions"))


def test_the_accesses_can_be_read_again_by_the_citizen(told):
    patient = told.figure("citizen", "citizen").removeprefix("Patient/")
    accesses = told.ask("PT", "citizen", "/ledger/accesses?count=200", patient=patient).json()["accesses"]
    by_index = {str(each["index"]): each for each in accesses}
    for name, outcome in (("summary", "served"), ("dispensation", "served"), ("refusal", "refused")):
        for index in told.figure("accesses", f"{name} audit entry ids"):
            assert (by_index[index]["node"], by_index[index]["outcome"]) == ("ee-1", outcome)


def test_the_restricted_document_stays_hidden_abroad_and_is_there_for_the_citizen(told):
    patient = told.figure("citizen", "citizen").removeprefix("Patient/")
    document = told.figure("restrict", "restricted")
    whom = {"node": "pt-1", "id": patient, "relationship": "present"}
    listed = told.ask("EE", "clinician", "/abroad/documents", body=whom).json()["documents"]
    assert len(listed) == told.figure("second-look", "documents found")
    assert told.ask("PT", "clinician", f"/fhir/{document}").status_code == 404
    assert told.ask("PT", "citizen", f"/fhir/{document}", patient=patient).status_code == 200


def test_the_summary_can_be_fetched_again_with_the_same_figures(told):
    whom = {
        "node": "pt-1",
        "id": told.figure("citizen", "citizen").removeprefix("Patient/"),
        "relationship": "present",
    }
    again = told.ask("EE", "clinician", "/abroad/summary", body=whom).json()
    assert again["errors"] == told.figure("summary", "validation errors")
    assert len(again["document"]["entry"][0]["resource"]["section"]) == told.figure("summary", "sections")


def test_every_step_says_how_its_figures_are_read_again(told):
    commands = {name: step["read_again"] for name, step in told.steps.items()}
    assert all(commands[name] for name in STEPS)
    public = [each for listed in commands.values() for each in listed if re.fullmatch(r"curl \S+", each)]
    assert len(public) >= 3
    for command in public:
        assert httpx.get(command.removeprefix("curl ").strip("'")).status_code == 200, command


def test_a_second_demonstration_does_not_take_the_folder_of_a_running_one(told):
    folder = Path(told.nodes["PT"]["data"]).parent
    with demo(folder, "--no-wait") as second:
        _, errors = second.communicate(timeout=30)
    assert second.returncode == 1
    assert "another demonstration runs" in errors


def test_a_folder_of_something_else_is_not_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with demo(tmp_path, "--no-wait") as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "not a folder of a demonstration" in errors
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


WANDA = {
    "resourceType": "Patient",
    "id": "w-1",
    "identifier": [{"system": "urn:example:card", "value": "X-1"}],
    "name": [{"family": "Walker", "given": ["Wanda"]}],
    "gender": "female",
    "birthDate": "1961-02-03",
}


def test_killing_a_node_in_mid_story_changes_the_account_and_the_rest_goes_on(tmp_path):
    folder, given = tmp_path / "story", tmp_path / "given.ndjson"
    given.write_text(json.dumps(WANDA))
    with demo(folder, "--no-wait", "--load", str(given)) as process:
        pid = 0
        for line in process.stderr:
            if found := re.search(r"PT process (\d+)", line):
                pid = int(found.group(1))
            if "done summary" in line:
                os.kill(pid, signal.SIGKILL)
                break
        output, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    account = json.loads(output)
    steps = {step["name"]: step for step in account["steps"]}
    assert account["ok"] is False
    assert [steps[name]["outcome"] for name in STEPS[:8]] == ["done"] * 8
    assert account["logins"]["the citizen of the story"].endswith("urn:example:card|X-1")
    assert steps["record"]["figures"]["prescribed now"] is True
    assert steps["documents"]["outcome"] == "failed"
    assert "pt-1" in steps["documents"]["reason"]
    assert steps["returned"]["outcome"] == "skipped"
    assert steps["accesses"]["outcome"] == "failed"
    assert steps["silence"]["figures"]["silent"][-1].startswith("pt-1: node pt-1 ")
    assert all(step["reason"] for step in account["steps"] if step["outcome"] != "done")
    assert processes_of(folder) == []


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_however_few_citizens_are_wished_for_one_may_be_told_of(seed):
    today = date(2026, 11, 24)
    wishes = Wishes(seed=seed, persons=1, load=())
    people = synthesize(enough(wishes, "PT", today), "PT", seed, today)
    assert any(may_be_told_of(each, today) for each in people if each["resourceType"] == "Patient")


def test_addresses_are_whole_when_piped_and_stopped_nodes_are_not_said_to_answer():
    node = NodeAccount("pt-1", "P", "PT", "http://127.0.0.1:45678", f"/a/{'long/' * 40}pt", 1)
    step = Step("a", "b", "done", {}, 1.0, "", (f"curl {node.base_url}/fhir/{'x' * 90}",))
    account = Account(True, 1, 1, 1.0, (node,), (step,), {"clinician": f"{node.base_url}/login"})
    for running in (True, False):
        written = io.StringIO()
        console = Console(file=written)
        print_account(console, account, running=running)
        if running:
            print_logins(console, account)
            assert f"{node.base_url}/fhir " in written.getvalue()
        assert step.read_again[0] in written.getvalue()
        assert (f"serve --data {node.data}" in written.getvalue()) is not running


@pytest.mark.parametrize(("is_terminal", "said"), [(False, "... step 2 of"), (True, "")])
def test_the_beginning_of_a_step_is_said_where_no_bar_shows_it(is_terminal, said):
    written = io.StringIO()
    say_begun(Console(file=written, force_terminal=is_terminal), 2, "She [looks]")
    assert said in written.getvalue()
    assert ("She [looks]" in written.getvalue()) is not is_terminal


@pytest.mark.parametrize(
    ("compared", "told"),
    [
        ([], "none was compared yet"),
        ([{"node": "ee", "both_say_the_same": False}], "none does"),
        ([{"node": "ee", "both_say_the_same": True}, {"node": "fr", "both_say_the_same": False}], ["ee"]),
    ],
)
def test_nodes_that_were_not_compared_are_not_said_to_agree(compared, told):
    assert agreeing(compared) == told


def test_a_killed_demonstration_leaves_no_process_behind(tmp_path):
    folder = tmp_path / "story"
    with demo(folder, "--no-wait") as process:
        pids = []
        for line in process.stderr:
            pids += [int(pid) for pid in re.findall(r"(?:PT|EE|FR) process (\d+)", line)]
            if "done start" in line or len(pids) == 3:
                break
        for line in process.stderr:
            pids += [int(pid) for pid in re.findall(r"(?:PT|EE|FR) process (\d+)", line)]
            if len(pids) >= 3:
                break
        process.kill()
        process.communicate(timeout=30)
    for pid in pids:
        wait_for_end(pid)
    assert [line for line in processes_of(folder) if "serve" in line or "postgres" in line] == []


def wait_for_end(pid):
    """Return when the process, which is not our child, has ended."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        select.select([handle], [], [], 30)
        os.close(handle)
