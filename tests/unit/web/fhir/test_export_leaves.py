"""Each download of an export file is an access of every patient in it, whoever made the export when."""

from salus.web.fhir.export import work_once

EXPORT = {"prefer": "respond-async"}


async def test_each_download_leaves_a_leaf_under_every_patient_of_the_file(door, leaves):
    for name in ("1", "2", "3"):
        assert await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
    await door.operator("PUT", "/Practitioner/p", {"resourceType": "Practitioner", "id": "p"})
    started = await door.operator("GET", "/$export?_type=Patient,Practitioner", headers=EXPORT)
    assert await work_once(door.services)
    status = started.headers["content-location"].removeprefix("https://node.test/fhir")
    files = (await door.operator("GET", status)).json()["output"]
    before = len(await leaves())
    for file in files * 2:
        assert (
            await door.operator("GET", file["url"].removeprefix("https://node.test/fhir"))
        ).status_code == 200
    told = (await leaves())[before:]
    address = status.removeprefix("/")
    patients = [(name, "export", f"{address}/1", 1, "served") for name in ("1", "2", "3")]
    assert told == [*patients, ("", "export", f"{address}/2", 1, "served")] * 2
