# ruff: noqa: E501  (lines of published layouts)
"""Tiny releases in the layout that each publisher gives out; the content is invented."""

import json
import zipfile
from pathlib import Path

US, GB, PT = "900000000000509007", "900000000000508004", "101"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"
FSN, SYNONYM = "900000000000003001", "900000000000013009"
CORE = "900000000000207008"


def put(folder: Path, name: str, *lines: str, mark: str = "\n") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(mark.join(lines) + mark, encoding="utf-8")


def row(*fields: object) -> str:
    return "\t".join(map(str, fields))


def snomed(folder: Path) -> None:
    """Write RF2: 138875005 > 1001007 > 1003007, 1002007 > 1003007; 1004007 is inactive; 9001007 is a reference set."""
    terminology, refset = "Snapshot/Terminology", "Snapshot/Refset"
    date = "20260701"
    concepts = [(one, 1) for one in ("138875005", "1001007", "1002007", "1003007", "9001007")] + [
        ("1004007", 0)
    ]
    put(
        folder,
        f"{terminology}/sct2_Concept_Snapshot_INT_{date}.txt",
        row("id", "effectiveTime", "active", "moduleId", "definitionStatusId"),
        *(row(code, date, active, CORE, "900000000000074008") for code, active in concepts),
        mark="\r\n",
    )
    names = [
        (1, "1001007", "en", FSN, "Heart structure (body structure)"), (2, "1001007", "en", SYNONYM, "Heart structure"),
        (3, "1001007", "en", SYNONYM, 'The "pump"'), (4, "1003007", "en", SYNONYM, "Color of heart"),
        (5, "1003007", "en", SYNONYM, "Colour of heart"), (6, "1002007", "en", SYNONYM, "Thorax"),
        (7, "138875005", "en", FSN, "SNOMED CT Concept"), (8, "1004007", "en", FSN, "Old heart (finding)"),
        (9, "1001007", "pt", SYNONYM, "Estrutura do coração"),
    ]  # fmt: skip
    header = row(
        "id",
        "effectiveTime",
        "active",
        "moduleId",
        "conceptId",
        "languageCode",
        "typeId",
        "term",
        "caseSignificanceId",
    )
    for language in ("en", "pt"):
        put(
            folder,
            f"{terminology}/sct2_Description_Snapshot-{language}_INT_{date}.txt",
            header,
            *(
                row(one, date, 1, CORE, code, tag, kind, term, "900000000000448009")
                for one, code, tag, kind, term in names
                if tag == language
            ),
        )
    edges = [
        ("1001007", "138875005"),
        ("1002007", "138875005"),
        ("1003007", "1001007"),
        ("1003007", "1002007"),
        ("9001007", "138875005"),
    ]
    put(
        folder,
        f"{terminology}/sct2_Relationship_Snapshot_INT_{date}.txt",
        row(
            "id",
            "effectiveTime",
            "active",
            "moduleId",
            "sourceId",
            "destinationId",
            "relationshipGroup",
            "typeId",
            "characteristicTypeId",
            "modifierId",
        ),
        *(
            row(
                place,
                date,
                1,
                CORE,
                child,
                parent,
                0,
                "116680003",
                "900000000000011006",
                "900000000000451002",
            )
            for place, (child, parent) in enumerate(edges)
        ),
        row(
            99,
            date,
            1,
            CORE,
            "1002007",
            "1003007",
            1,
            "363698007",
            "900000000000011006",
            "900000000000451002",
        ),
    )
    preferred = [(US, 2), (GB, 2), (US, 4), (GB, 5), (US, 6), (GB, 6), (PT, 9)]
    put(
        folder,
        f"{refset}/Language/der2_cRefset_LanguageSnapshot-en_INT_{date}.txt",
        row(
            "id",
            "effectiveTime",
            "active",
            "moduleId",
            "refsetId",
            "referencedComponentId",
            "acceptabilityId",
        ),
        *(
            row(f"m{place}", date, 1, CORE, dialect, one, PREFERRED)
            for place, (dialect, one) in enumerate(preferred)
        ),
        row("m9", date, 1, CORE, US, 3, ACCEPTABLE),
    )
    put(
        folder,
        f"{refset}/Content/der2_Refset_SimpleSnapshot_INT_{date}.txt",
        row("id", "effectiveTime", "active", "moduleId", "refsetId", "referencedComponentId"),
        row("s1", date, 1, CORE, "9001007", "1002007"),
        row("s2", date, 0, CORE, "9001007", "1003007"),
    )


def loinc(folder: Path) -> None:
    root = "Loinc_2.81"
    columns = [
        "LOINC_NUM",
        "COMPONENT",
        "PROPERTY",
        "TIME_ASPCT",
        "SYSTEM",
        "SCALE_TYP",
        "METHOD_TYP",
        "CLASS",
        "VersionLastChanged",
        "DefinitionDescription",
        "STATUS",
        "CONSUMER_NAME",
        "CLASSTYPE",
        "SHORTNAME",
        "ORDER_OBS",
        "LONG_COMMON_NAME",
        "DisplayName",
    ]
    put(
        folder,
        f"{root}/LoincTable/Loinc.csv",
        ",".join(f'"{one}"' for one in columns),
        '"1-8","Glucose","MCnc","Pt","Ser/Plas","Qn","","CHEM","2.70","","ACTIVE","Sugar","1","Glucose SerPl-mCnc","Both","Glucose [Mass/volume] in Serum, or ""plasma""","Glucose (S/P)"',
        '"2-6","Sodium","SCnc","Pt","Ser/Plas","Qn","","CHEM","2.60","","DEPRECATED","","1","Sodium","Both","Sodium [Moles/volume]",""',
    )
    put(
        folder,
        f"{root}/AccessoryFiles/PartFile/Part.csv",
        '"PartNumber","PartTypeName","PartName","PartDisplayName","Status"',
        '"LP1-0","COMPONENT","Glucose","Glucose","ACTIVE"',
    )
    put(
        folder,
        f"{root}/AccessoryFiles/PartFile/LoincPartLink_Primary.csv",
        '"LoincNumber","LongCommonName","PartNumber","PartName","PartCodeSystem","PartTypeName","LinkTypeName","Property"',
        '"1-8","x","LP1-0","Glucose","http://loinc.org","COMPONENT","Primary","http://loinc.org/property/COMPONENT"',
    )
    put(
        folder,
        f"{root}/AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
        '"PATH_TO_ROOT","SEQUENCE","IMMEDIATE_PARENT","CODE","CODE_TEXT"',
        '"","1","","LP9-9","Laboratory"',
        '"LP9-9","1","LP9-9","LP1-0","Glucose"',
        '"LP9-9.LP1-0","1","LP1-0","1-8","Glucose SerPl"',
    )
    put(
        folder,
        f"{root}/AccessoryFiles/LinguisticVariants/ptBR11LinguisticVariant.csv",
        '"LOINC_NUM","COMPONENT","PROPERTY","TIME_ASPCT","SYSTEM","SCALE_TYP","METHOD_TYP","CLASS","SHORTNAME","LONG_COMMON_NAME","RELATEDNAMES2","LinguisticVariantDisplayName"',
        '"1-8","","","","","","","","","Glicose [Massa/volume]","",""',
    )


def claml(folder: Path) -> None:
    put(
        folder,
        "icd10.xml",
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE ClaML SYSTEM "ClaML.dtd">',
        '<ClaML version="2.0.0"><Title name="ICD-10-EN" date="2026-01-01" version="2026">ICD-10 (test)</Title>',
        '<Modifier code="S1"><SubClass code="0"/></Modifier>',
        '<ModifierClass code="0" modifier="S1"><SuperClass code="S1"/><Rubric kind="preferred"><Label xml:lang="en">with coma</Label></Rubric></ModifierClass>',
        '<Class code="IV" kind="chapter"><SubClass code="E10"/><Rubric kind="preferred"><Label xml:lang="en">Endocrine diseases</Label></Rubric></Class>',
        '<Class code="E10" kind="category"><SuperClass code="IV"/><ModifiedBy code="S1"/><Rubric kind="preferred"><Label xml:lang="en">Type 1 <Term>diabetes</Term></Label></Rubric>'
        '<Rubric kind="inclusion"><Label xml:lang="en">juvenile-onset</Label></Rubric></Class>',
        "</ClaML>",
    )


def icd11(folder: Path) -> None:
    columns = [
        "Foundation URI",
        "Linearization (release) URI",
        "Code",
        "BlockId",
        "Title",
        "ClassKind",
        "DepthInKind",
        "IsResidual",
        "PrimaryLocation",
        "ChapterNo",
    ]
    uri = "http://id.who.int/icd/release/11/2026-01/mms/"
    put(
        folder,
        "SimpleTabulation-ICD-11-MMS-en.txt",
        row(*columns),
        row("", uri + "1", "", "", "Certain infectious diseases", "chapter", 1, "False", "", "01"),
        row("", uri + "2", "", "BlockL1-1A0", "- Gastroenteritis", "block", 1, "False", "", "01"),
        row("", uri + "3", "1A00", "", "- - Cholera", "category", 1, "False", "", "01"),
        row("", uri + "3/other", "1A0Z", "", "- - Unspecified", "category", 1, "True", "", "01"),
        mark="\r\n",
    )


def atc(folder: Path) -> None:
    put(
        folder,
        "2026 ATC_ddd.csv",
        "ATC code,ATC level name,DDD,U,Adm.R,Note",
        "A,ALIMENTARY TRACT AND METABOLISM,,,,",
        "A10,DRUGS USED IN DIABETES,,,,",
        "A10B,BLOOD GLUCOSE LOWERING DRUGS,,,,",
        "A10BA,Biguanides,,,,",
        "A10BA02,metformin,2,g,O,",
    )


def edqm(folder: Path) -> None:
    terms = [
        {"code": "10101000", "class": "PDF", "english": "Oral drops, solution", "status": "Current",
         "translations": [{"language": "pt", "country": "pt", "term": "Gotas orais, solução"}]},
        {"code": "10102000", "class": "PDF", "english": "Old drops", "status": "Deprecated", "translations": []},
    ]  # fmt: skip
    put(folder, "standard-terms-2026-09-01.json", json.dumps({"content": terms}))


def orphanet(folder: Path) -> None:
    def nomenclature(language: str, name: str, synonym: str) -> str:
        return (f'<JDBOR date="2026-07-01" version="1.3"><DisorderList count="1"><Disorder id="1"><OrphaCode>58</OrphaCode>'
                f'<Name lang="{language}">{name}</Name><SynonymList count="1"><Synonym lang="{language}">{synonym}</Synonym></SynonymList>'
                f'<DisorderType id="2"><Name lang="en">Disease</Name></DisorderType><Totalstatus>Active</Totalstatus>'
                f'<ExternalReferenceList><ExternalReference><Source>ICD-10</Source><Reference>E75.2</Reference></ExternalReference></ExternalReferenceList></Disorder>'
                f'<Disorder id="3"><OrphaCode>100</OrphaCode><Name lang="{language}">Group {language}</Name></Disorder></DisorderList></JDBOR>')  # fmt: skip

    put(folder, "ORPHAnomenclature_en.xml", nomenclature("en", "Alexander disease", "AxD"))
    put(folder, "ORPHAnomenclature_pt.xml", nomenclature("pt", "Doença de Alexander", "AxD"))
    put(
        folder,
        "en_product3_1.xml",
        '<JDBOR date="2026-07-01" version="1.3"><ClassificationList><Classification><ClassificationNodeRootList><ClassificationNode>'
        '<Disorder id="3"><OrphaCode>100</OrphaCode><Name lang="en">Group</Name></Disorder><ClassificationNodeChildList><ClassificationNode>'
        '<Disorder id="1"><OrphaCode>58</OrphaCode><Name lang="en">Alexander disease</Name></Disorder></ClassificationNode></ClassificationNodeChildList>'
        "</ClassificationNode></ClassificationNodeRootList></Classification></ClassificationList></JDBOR>",
    )


SAMPLES = {
    "snomed": snomed,
    "loinc": loinc,
    "claml": claml,
    "icd11": icd11,
    "atc": atc,
    "edqm": edqm,
    "orphanet": orphanet,
}


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return target
