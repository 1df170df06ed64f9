"""Pictures in a real archive (Orthanc), reached through a node: found, compared, shown, handed through."""

import asyncio
import base64
import re
from datetime import date

import pytest
from tests.flow.test_portal import BASE, ENCODER, browser, form_token, log_in, national_number
from tests.orthanc import PASSWORD, USER, Orthanc, needs_orthanc

from salus.cli.main import main
from salus.cli.node import make_node
from salus.cli.token import make_token
from salus.core.access import Role
from salus.intake.synth.generator import synthesize
from salus.node import open_node
from salus.primary.imaging.archive import Archive
from salus.settings import Settings
from salus.standards.dicomweb.pictures import picture_of

pytestmark = needs_orthanc
STUDY, SERIES = "2.999.1", "2.999.1.1"
OTHER, OTHER_SERIES = "2.999.2", "2.999.2.1"
SYSTEM = "urn:salus:national-id:PT-SNS"
ENDPOINT = f"{BASE}/imaging/dicomweb"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    with Orthanc(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture
async def node(tmp_path, database_url, orthanc):
    secret = tmp_path / "archive.password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    archives = (
        Archive(
            name="hospital", base_url=orthanc.base, organisation="Hospital São José",
            patient_system=SYSTEM, user=USER, password_file="archive.password",
        ),
    )  # fmt: skip
    settings = Settings(
        node="pt-1", name="Portugal", country="PT", base_url=BASE, port=9, database=database_url,
        languages=("pt", "en"), demo=True, imaging=archives,
    )  # fmt: skip
    make_node(tmp_path, settings)
    async with open_node(tmp_path) as opened:
        yield opened


@pytest.fixture
async def people(node, orthanc):
    """Store two synthetic citizens; the archive has a study of each, by their numbers."""
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in synthesize(2, "PT", 3, date(2026, 11, 1))
        if each["resourceType"] == "Patient"
    ]
    found = [entry["resource"] for entry in entries]
    async with browser(node) as client:
        body = ENCODER.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        answer = await client.post("/fhir", content=body, headers=bearer(node, Role.OPERATOR))
        assert answer.status_code == 200, answer.text
    for number in (1, 2, 3):
        orthanc.take(patient=number_of(found[0]), study=STUDY, series=SERIES, number=number)
    orthanc.take(patient=number_of(found[1]), study=OTHER, series=OTHER_SERIES)
    return found


def number_of(patient):
    return next(each["value"] for each in patient["identifier"] if each["system"] == SYSTEM)


def bearer(node, role, patient=None):
    token = make_token(node.services.data, node.settings, role, None, patient, seconds=None)
    return {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}


async def command(capsys, node, *words, code):
    line = ["imaging", *words, "--data", str(node.services.data)]
    assert await asyncio.to_thread(main, line) == code
    return capsys.readouterr().out


async def find(client, node, patient, role=Role.CLINICIAN):
    answer = await client.post("/imaging/find", json={"patient": patient["id"]}, headers=bearer(node, role))
    assert answer.status_code == 200, answer.text
    return [each["resource"] for each in answer.json().get("entry", ())]


async def test_a_study_is_found_filed_once_and_handed_through(node, people):
    own = people[0]
    async with browser(node) as client:
        clinician = bearer(node, Role.CLINICIAN)
        (study,) = await find(client, node, own)
        assert study["resourceType"] == "ImagingStudy"
        assert study["subject"]["reference"] == f"Patient/{own['id']}"
        assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}
        assert study["started"] == "2026-05-03T14:15:00+01:00"
        (series,) = study["series"]
        assert (series["uid"], series["modality"]["code"], series["bodySite"]) == (
            SERIES,
            "CT",
            {"display": "HEAD"},
        )
        assert [each["uid"] for each in series["instance"]] == [f"{SERIES}.{number}" for number in (1, 2, 3)]
        assert study["contained"][0]["address"] == ENDPOINT
        assert [each["id"] for each in await find(client, node, own)] == [study["id"]]

        place = f"{ENDPOINT}/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.2"
        picture = await client.get(f"{place}/rendered?viewport=32,32", headers=clinician)
        assert picture.status_code == 200, picture.text
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture_of(picture.content).width == 32
        whole = await client.get(place, headers=clinician)
        assert whole.headers["content-type"].startswith("multipart/related")
        assert b"DICM" in whole.content
        said = await client.get(f"{ENDPOINT}/studies/{STUDY}/metadata", headers=clinician)
        assert len(said.json()) == 3
        assert "http" not in said.text
        listed = await client.get(f"{ENDPOINT}/studies?PatientID={number_of(own)}", headers=clinician)
        assert [each["0020000D"]["Value"] for each in listed.json()] == [[STUDY]]
        address = await client.get(f"/imaging/studies/{STUDY}/address", headers=clinician)
        assert address.json()["wado"] == f"{ENDPOINT}/studies/{STUDY}"

        assert (await client.get(place)).status_code == 401
        citizen = bearer(node, Role.CITIZEN, own["id"])
        assert (await client.get(place, headers=citizen)).status_code == 200
        stranger = bearer(node, Role.CITIZEN, people[1]["id"])
        absent = f"{ENDPOINT}/studies/2.999.404/series/{SERIES}/instances/{SERIES}.2"
        refused = [await client.get(each, headers=stranger) for each in (place, absent)]
        assert [each.status_code for each in refused] == [404, 404]
        assert refused[0].text == refused[1].text
        # An address that mixes one's own study with another's instance leads nowhere.
        mixed = f"{ENDPOINT}/studies/{STUDY}/series/{OTHER_SERIES}/instances/{OTHER_SERIES}.1"
        assert (await client.get(mixed, headers=citizen)).status_code in (403, 404)

        events = await client.get(f"/fhir/AuditEvent?patient=Patient/{own['id']}&_count=200", headers=citizen)
        assert f"picture of study {STUDY}" in events.text
        assert f"pictures of study {STUDY}" in events.text


async def test_the_portal_shows_pictures_to_the_citizen_and_to_who_treats_them(node, people):
    own = people[0]
    number = national_number(own)
    async with browser(node) as client:
        await log_in(client, "citizen", number)
        page = await client.get("/record/images?language=en")
        asked = {"csrf": form_token(page), "language": "en"}
        page = await client.post("/record/images/find", data=asked)
        assert "The archives were asked" in page.text
        (place,) = re.findall(
            r'<img src="([^"]+)" alt="Picture of series 1, Axial, computed tomography', page.text
        )
        picture = await client.get(place)
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.headers["cache-control"] == "no-store"
        assert picture_of(picture.content).width <= 160
        study = await client.get(place.rpartition("/")[0] + "?language=en")
        assert "Hospital São José holds these pictures under this patient" in study.text
        assert f"{ENDPOINT}/studies/{STUDY}" in study.text
        assert "picture of study 2.999.1" in (await client.get("/accesses?language=en")).text
        absent = [
            await client.get(each)
            for each in (place.replace(SERIES, "2.999.7"), "/record/images/nothing/1.2")
        ]
        assert [each.status_code for each in absent] == [404, 404]
        foreign = await client.get(place.replace(SERIES, OTHER_SERIES))
        assert foreign.status_code in (403, 404)

        manifest = await client.get(
            f"/fhir/ImagingStudy/{place.split('/')[3]}/$document",
            headers=bearer(node, Role.CITIZEN, own["id"]),
        )
        assert manifest.status_code == 200, manifest.text
        named = [one for each in manifest.json()["entry"] for one in each["resource"].get("contained", ())]
        assert [each["address"] for each in named if each["resourceType"] == "Endpoint"] == [ENDPOINT]
        published = {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": f"Patient/{own['id']}"},
            "content": [
                {
                    "attachment": {
                        "contentType": "application/fhir+json",
                        "data": base64.b64encode(manifest.content).decode(),
                    }
                }
            ],
        }
        kept = await client.post(
            "/fhir/DocumentReference", json=published, headers=bearer(node, Role.OPERATOR)
        )
        assert kept.status_code == 201, kept.text
        letter = await client.get(f"/record/documents/{kept.json()['id']}/read?language=en")
        assert f'<img src="{place}"' in letter.text
    async with browser(node) as client:
        await log_in(client, "clinician")
        page = await client.get("/patient?language=en")
        form = {"csrf": form_token(page), "country": "pt-1", "identifier": number, "purpose": "TREAT",
                "present": "yes", "language": "en"}  # fmt: skip
        chart = await client.post("/patient", data=form)
        path = re.search(r'href="(/patient/pt-1/[^"?]+/images)\?', chart.text).group(1)
        page = await client.get(f"{path}?language=en")
        (place,) = re.findall(r'<img src="([^"]+)"', page.text)
        assert (await client.get(place)).headers["content-type"] == "image/jpeg"
        letter = await client.get(f"{path[:-7]}/documents/{kept.json()['id']}/read?language=en")
        assert f'<img src="{place}"' in letter.text


async def test_hidden_and_absent_pictures_look_alike(node, people):
    own = people[0]
    async with browser(node) as client:
        (study,) = await find(client, node, own)
        assert (await log_in(client, "citizen", national_number(own))).status_code == 200
        page = await client.get("/record/images?language=en")
        form = {"csrf": form_token(page), "type": "ImagingStudy", "id": study["id"], "category": "images",
                "language": "en", "confirmed": "yes"}  # fmt: skip
        assert "Hidden by you" in (await client.post("/record/restrict", data=form)).text
        clinician = bearer(node, Role.CLINICIAN)
        answers = [
            await client.get(
                f"{ENDPOINT}/studies/{uid}/series/{SERIES}/instances/{SERIES}.1{kind}", headers=clinician
            )
            for uid in (STUDY, "2.999.404")
            for kind in ("", "/rendered")
        ]
        assert {each.status_code for each in answers} == {404}
        assert len({each.text for each in answers}) == 1
        # Asking the archives again files nothing a second time, under whatever id.
        assert await find(client, node, own) == []
        listed = await client.get(f"{ENDPOINT}/studies?PatientID={number_of(own)}", headers=clinician)
        assert listed.json() == []
        citizen = bearer(node, Role.CITIZEN, own["id"])
        seen = await client.get(
            f"{ENDPOINT}/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1/rendered", headers=citizen
        )
        assert seen.status_code == 200


async def test_a_study_of_another_person_is_refused_and_the_operator_is_told(node, people, caplog, capsys):
    own, other = people
    wrong = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": {"reference": f"Patient/{own['id']}"},
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{OTHER}"}],
    }
    async with browser(node) as client:
        stored = await client.post("/fhir/ImagingStudy", json=wrong, headers=bearer(node, Role.OPERATOR))
        assert stored.status_code == 201, stored.text
        clinician = bearer(node, Role.CLINICIAN)
        place = f"{ENDPOINT}/studies/{OTHER}/series/{OTHER_SERIES}/instances/{OTHER_SERIES}.1"
        for address in (place, f"{place}/rendered", f"{ENDPOINT}/studies/{OTHER}/metadata"):
            answer = await client.get(address, headers=clinician)
            assert answer.status_code == 403, answer.text
            assert "another patient" in answer.text
        printed = await command(capsys, node, "check", f"Patient/{own['id']}", code=1)
        assert f"({OTHER}) at hospital: the archive has this study under another PatientID" in printed
        assert "hospital: answers" in await command(capsys, node, "check", code=0)
        assert "hospital: 1 studies, 1 new" in await command(capsys, node, "find", number_of(own), code=0)
        assert "another-person; see: salus imaging check" in caplog.text
        assert number_of(other) not in caplog.text
