"""A real archive for tests: Orthanc with its DICOMweb plugin, on loopback, with synthetic pictures.

Debian's packages orthanc and orthanc-dicomweb; tests that need it are skipped where they are not installed.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

PROGRAM = shutil.which("Orthanc") or shutil.which("orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
IS_HERE = PROGRAM is not None and PLUGIN.exists()
WITHOUT = "Orthanc is not here: install Debian's packages orthanc and orthanc-dicomweb"
needs_orthanc = pytest.mark.skipif(not IS_HERE, reason=WITHOUT)
USER, PASSWORD = "salus", "a secret of tests"
START_SECONDS = 20
CT = "1.2.840.10008.5.1.4.1.1.2"


class Orthanc:
    """A running archive; `base` is its DICOMweb address."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.base = f"http://127.0.0.1:{self.port}/dicom-web"

    def __enter__(self):
        settings = {
            "Name": "tests", "StorageDirectory": f"{self.folder}/db", "IndexDirectory": f"{self.folder}/db",
            "HttpPort": self.port, "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD}, "DicomServerEnabled": False, "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False, "Host": "127.0.0.1"},
        }  # fmt: skip
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(settings))
        self.process = subprocess.Popen(
            [PROGRAM, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", auth=(USER, PASSWORD))
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                self.client.get("/system").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise TimeoutError("Orthanc did not start")

    def __exit__(self, *_):
        self.client.close()
        self.process.terminate()
        self.process.wait(START_SECONDS)

    def take(self, **said):
        """Store one synthetic instance."""
        answer = self.client.post("/instances", content=instance(**said))
        answer.raise_for_status()


def instance(
    *,
    patient,
    study,
    series,
    number=1,
    issuer="",
    name="Silva^Maria",
    description="CT head",
    series_title="Axial",
):
    """Return a CT instance of 64 by 64 pixels as a DICOM file."""
    from io import BytesIO

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    uid = f"{series}.{number}"
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CT
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = uid
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientID, made.PatientName = patient, name
    if issuer:
        made.IssuerOfPatientID = issuer
    made.StudyInstanceUID, made.SeriesInstanceUID = study, series
    made.Modality, made.StudyDescription, made.SeriesDescription = "CT", description, series_title
    made.StudyDate, made.StudyTime, made.TimezoneOffsetFromUTC = "20260503", "141500", "+0100"
    made.BodyPartExamined, made.AccessionNumber, made.StudyID = "HEAD", "A-17", "S1"
    made.SeriesNumber, made.InstanceNumber = 1, number
    made.Rows = made.Columns = 64
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = bytes((x * y + 40 * number) % 256 for x in range(64) for y in range(64))
    body = BytesIO()
    made.save_as(body, enforce_file_format=True)
    return body.getvalue()
