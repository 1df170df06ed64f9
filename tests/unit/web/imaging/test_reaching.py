"""Which archives may hold a study: addresses in a record are compared with the settings, never called."""

from types import SimpleNamespace

import pytest

from salus.primary.imaging.archive import Archive
from salus.primary.imaging.studies import endpoint_of
from salus.web.imaging.reaching import doors_of

BASE = "https://node.example"


def archive(name):
    return Archive(
        name=name, base_url=f"https://{name}.example/dicom-web", organisation=name, patient_system="urn:s"
    )


SERVICES = SimpleNamespace(
    archives={name: SimpleNamespace(archive=archive(name)) for name in ("a", "b")},
    own_bases=(f"{BASE}/fhir", "https://old.example/fhir"),
)


@pytest.mark.parametrize(
    ("endpoints", "names"),
    [
        ([], ["a", "b"]),
        ([{"address": "https://a.example/dicom-web"}], ["a"]),
        ([{"address": "https://a.example/dicom-web/../admin"}], []),
        ([{"address": "https://evil.example/dicom-web"}], []),
        ([{"address": "http://169.254.169.254/"}, {"address": "https://b.example/dicom-web"}], ["b"]),
        ([endpoint_of(archive("b"), f"{BASE}/imaging/dicomweb")], ["b"]),
        ([endpoint_of(archive("b"), "https://old.example/imaging/dicomweb")], ["b"]),
        ([endpoint_of(archive("b"), "https://elsewhere.example/imaging/dicomweb")], []),
        ([endpoint_of(archive("gone"), f"{BASE}/imaging/dicomweb")], []),
    ],
)
def test_only_archives_of_the_settings_are_asked(endpoints, names):
    assert [door.archive.name for door in doors_of(SERVICES, endpoints)] == names
