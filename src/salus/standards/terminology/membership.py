"""Is a coding in a value set (R4 ValueSet/$validate-code; tx-ecosystem, requirements)?

The includes are tried in order, a newer version of the same system first; then the excludes. Besides the
answer, what stands in the way is found: unknown systems and versions, unknown, abstract and inactive codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.concepts import STANDARDS_STATUS, Concept, Designation, extension_value
from salus.standards.terminology.defined import designations_of
from salus.standards.terminology.includes import (
    check_shape,
    filter_of,
    in_version_order,
    selection,
)
from salus.standards.terminology.infer import infer_system
from salus.standards.terminology.inquiry import NESTED_MAX, Inquiry
from salus.standards.terminology.issues import TerminologyRefused, Unanswerable, issue
from salus.standards.terminology.standing import standing_of, standing_of_system, warning
from salus.standards.terminology.versioning import report_unknown_system, settle_version
from salus.standards.terminology.versions import newest

Include = Mapping[str, Any]  # Any: FHIR JSON
_DEPRECATED_IN_SET = "http://hl7.org/fhir/StructureDefinition/valueset-deprecated"


class Checker:
    """A value set made ready to check codings against.

    Raises:
        TerminologyRefused, Unanswerable: it, or what it imports, cannot be used.
    """

    def __init__(self, value_set: ValueSet, inquiry: Inquiry, above: Sequence[str] = ()) -> None:
        self.value_set = value_set
        self._inquiry = inquiry
        self._imported: dict[str, Checker] = {}
        name = value_set.canonical
        if (name and name in above) or len(above) > NESTED_MAX:
            found = issue(
                "error",
                "processing",
                "vs-invalid",
                "",
                "VALUESET_CIRCULAR_REFERENCE",
                value_set=value_set.url,
                known=", ".join(above),
            )
            raise Unanswerable(found, status=422)
        check_shape(value_set)
        inquiry.asked.see(value_set.resource)
        for kind in ("include", "exclude"):
            for position, include in enumerate(value_set.compose.get(kind, ())):
                self._prepare(f"{kind}[{position}]", include, (*above, name))

    def _prepare(self, where: str, include: Include, above: Sequence[str]) -> None:
        inquiry = self._inquiry
        for reference in include.get("valueSet", ()):
            pinned = inquiry.pinned(str(reference))
            if pinned not in self._imported:
                other = inquiry.value_set(pinned, source=self.value_set)
                if other is None:
                    raise TerminologyRefused(
                        issue(
                            "error",
                            "not-found",
                            "not-found",
                            "",
                            "Unable_to_resolve_value_Set_",
                            value_set=pinned,
                        )
                    )
                self._imported[pinned] = Checker(other, inquiry, above)
        system = inquiry.code_system(str(include.get("system", "")), str(include.get("version", "")))
        if system is not None:
            for position, row in enumerate(include.get("filter", ())):
                filter_of(system, row, f"ValueSet.compose.{where}.filter[{position}]", inquiry)

    def check(self, coded: Coded, findings: Findings) -> bool | None:
        """Return whether a coding is in the value set, None where an unknown code system hinders."""
        asked = self._inquiry.asked
        if not coded.system and not coded.inferred_system:
            if not asked.is_true("inferSystem") or coded.path:
                findings.add(
                    "warning", "invalid", "invalid-data", coded.path, "Coding_has_no_system__cannot_validate"
                )
                return False
            if not infer_system(coded, self.value_set, self._inquiry, findings):
                return False
        self._inquiry.refuse_missing_supplements()
        if not self.value_set.compose:
            return self._in_expansion(coded, findings)
        answer = self._in_includes(coded, findings)
        if answer and self._is_excluded(coded, findings):
            return False
        return answer

    def _in_includes(self, coded: Coded, findings: Findings) -> bool | None:
        includes = in_version_order(self.value_set.compose.get("include", ()))
        only = self._version_of_coding(coded, includes)
        stated = {str(one["version"]) for one in includes if "version" in one}
        answer: bool | None = False
        for include in includes:
            self._inquiry.step()
            system = coded.inferred_system or coded.system
            if "system" not in include:
                answer = True
            elif (
                include["system"] != system
                or (only and include.get("version") != only)
                or (coded.version in stated and include.get("version") != coded.version)
            ):
                answer = False
            else:
                answer = self._in_system(coded, include, findings)
                if answer is None:
                    return None
            for reference in include.get("valueSet", ()):
                if answer is True:
                    answer = self._in_imported(coded, str(reference), findings)
            if answer:
                return True
        return answer

    def _in_imported(self, coded: Coded, reference: str, findings: Findings) -> bool | None:
        checker = self._imported[self._inquiry.pinned(reference)]
        self._say_standing(standing_of(checker.value_set.resource), findings)
        return checker.check(coded, findings)

    def _version_of_coding(self, coded: Coded, includes: Sequence[Include]) -> str:
        """Return the version to judge by where several are included and none is stated, "" for all."""
        system = coded.inferred_system or coded.system
        versions = {
            str(one["version"]) for one in includes if one.get("system") == system and "version" in one
        }
        if coded.version or len(versions) < 2:
            return ""
        fitting = [one for one in versions if self._fits(coded, system, one)]
        if len(fitting) == len(versions):
            return ""
        return newest(fitting or versions) or ""

    def _fits(self, coded: Coded, url: str, version: str) -> bool:
        system = self._inquiry.code_system(url, version)
        concept = system.find(coded.code) if system else None
        if concept is None:
            return False
        return not coded.display or any(one.value == coded.display for one in concept.designations)

    def _in_system(self, coded: Coded, include: Include, findings: Findings) -> bool | None:
        inquiry = self._inquiry
        url, stated = str(include["system"]), str(include.get("version", ""))
        version = settle_version(coded, url, stated, inquiry, findings)
        system = inquiry.code_system(url, version)
        if system is None:
            if inquiry.asked.is_true("valueset-membership-only"):
                return False
            report_unknown_system(coded, url, version, inquiry, findings)
            return None
        about = system.about
        insisted = inquiry.unmet_check(url, about.version)
        if insisted:
            findings.add(
                "error",
                "exception",
                "version-error",
                coded.at("version"),
                "VALUESET_VERSION_CHECK",
                system=url,
                version=about.version,
                wanted=insisted,
            )
        if about.version_needed and not coded.version:
            findings.add(
                "error", "invalid", "invalid-data", coded.at("version"), "VERSION_NEEDED", system=url
            )
        self._say_standing(standing_of_system(about), findings)
        coded.content, coded.language = about.content, about.language
        found = self._in_concepts(coded, include, system, findings, is_exclude=False)
        if found:
            coded.found_version = about.version
        return found

    def _is_excluded(self, coded: Coded, findings: Findings) -> bool:
        for exclude in self.value_set.compose.get("exclude", ()):
            self._inquiry.step()
            out = True
            if "system" in exclude:
                system = self._inquiry.code_system(str(exclude["system"]), str(exclude.get("version", "")))
                if system is None:
                    report_unknown_system(
                        coded,
                        str(exclude["system"]),
                        str(exclude.get("version", "")),
                        self._inquiry,
                        findings,
                    )
                    return True
                same = exclude["system"] == (coded.inferred_system or coded.system)
                out = same and self._in_concepts(coded, exclude, system, findings, is_exclude=True)
            for reference in exclude.get("valueSet", ()):
                checker = self._imported[self._inquiry.pinned(str(reference))]
                out = out and checker.check(coded, Findings()) is True
            if out:
                return True
        return False

    def _in_concepts(
        self, coded: Coded, include: Include, system: CodeSystem, findings: Findings, *, is_exclude: bool
    ) -> bool:
        """Return whether an include, or an exclude, of a system has the code."""
        if "concept" in include:
            row = next((one for one in include["concept"] if one.get("code") == coded.code), None)
            concept = system.find(coded.code) if row else None
            return concept is not None and self._listed(
                coded, row or {}, concept, system, findings, is_exclude
            )
        concept = system.find(coded.code)
        if "filter" in include:
            kept = concept is not None and all(
                concept.code in one for one in selection(system, include, self._inquiry)
            )
            if concept is None or not kept:
                return False
            coded.know(concept)
            return is_exclude or self._is_usable(coded, concept, system, findings, loud=False)
        if concept is None:
            return not is_exclude and self._unknown_code(coded, system, findings)
        if is_exclude:
            return True
        if concept.code != coded.code:
            findings.normal_code = concept.code
            findings.add(
                "information",
                "business-rule",
                "code-rule",
                coded.at("code"),
                "CODE_CASE_DIFFERENCE",
                code=coded.code,
                wanted=concept.code,
                system=system.about.url,
            )
        coded.know(concept)
        return self._is_usable(coded, concept, system, findings, loud=True)

    def _listed(
        self,
        coded: Coded,
        row: Include,
        concept: Concept,
        system: CodeSystem,
        findings: Findings,
        is_exclude: bool,
    ) -> bool:
        if is_exclude:
            return True
        coded.know(concept)
        if "display" in row:
            coded.names.append(Designation(str(row["display"]), "", is_display=True))
        coded.names += designations_of(row)
        if not self._is_usable(coded, concept, system, findings, loud=False):
            return False
        status = str(extension_value(row, STANDARDS_STATUS) or "")
        if status not in ("withdrawn", "deprecated"):
            status = "deprecated" if extension_value(row, _DEPRECATED_IN_SET) is not None else ""
        if status:
            findings.add(
                "warning",
                "business-rule",
                "code-comment",
                coded.at("code"),
                "CONCEPT_DEPRECATED_IN_VALUESET",
                system=system.about.url,
                code=coded.code,
                status=status,
                value_set=self.value_set.canonical,
            )
        return True

    def _unknown_code(self, coded: Coded, system: CodeSystem, findings: Findings) -> bool:
        """Note that a system has no such code; of a fragment it may have it."""
        about = system.about
        if self._inquiry.asked.is_true("valueset-membership-only"):
            return False
        if about.content != "complete":
            findings.add(
                "warning",
                "code-invalid",
                "invalid-code",
                coded.at("code"),
                "UNKNOWN_CODE_IN_FRAGMENT",
                system=about.canonical,
                code=coded.code,
            )
            return True
        message_id = "Unknown_Code_in_Version" if about.version else "Unknown_Code_in"
        findings.add(
            "error",
            "code-invalid",
            "invalid-code",
            coded.at("code"),
            message_id,
            code=coded.code,
            system=about.url,
            version=about.version,
        )
        return False

    def _is_usable(
        self, coded: Coded, concept: Concept, system: CodeSystem, findings: Findings, *, loud: bool
    ) -> bool:
        """Return whether a concept may be used: not abstract where that is asked, not inactive where that is.

        Args:
            coded: the coding.
            concept: what it means.
            system: its code system.
            findings: are added to.
            loud: whether a value set's own refusal of inactive codes is an error of its own.
        """
        asked = self._inquiry.asked
        quiet = asked.is_true("valueset-membership-only")
        if concept.is_abstract and not asked.is_true("abstract", otherwise=True):
            if not quiet:
                findings.add(
                    "error",
                    "business-rule",
                    "code-rule",
                    coded.at("code"),
                    "ABSTRACT_CODE_NOT_ALLOWED",
                    system=system.about.url,
                    code=coded.code,
                )
            return False
        active_only = asked.is_true("activeOnly") and loud
        if concept.is_inactive and (self.value_set.excludes_inactive() or active_only):
            if loud:
                findings.add(
                    "error",
                    "business-rule",
                    "code-rule",
                    coded.at("code"),
                    "STATUS_CODE_WARNING_CODE",
                    code=coded.code,
                )
            if not quiet:
                findings.see_status(coded, concept)
            return False
        findings.see_status(coded, concept)
        return True

    def _in_expansion(self, coded: Coded, findings: Findings) -> bool | None:
        """Judge by an expansion that a value set carries in place of a definition."""
        pending = list((self.value_set.resource.get("expansion") or {}).get("contains", ()))
        system = coded.inferred_system or coded.system
        while pending:
            row = pending.pop()
            pending += row.get("contains", ())
            if row.get("system") == system and row.get("code") == coded.code:
                include = {
                    "system": system,
                    "version": row.get("version", ""),
                    "concept": [{"code": coded.code}],
                }
                return self._in_system(coded, include, findings)
        return False

    def _say_standing(self, of: Any, findings: Findings) -> None:
        word = warning(of, standing_of(self.value_set.resource))
        if word:
            findings.add(
                "information",
                "business-rule",
                "status-check",
                "",
                f"MSG_{word.upper()}",
                canonical=of.canonical,
                kind=of.kind,
            )

    def say_own_standing(self, findings: Findings) -> None:
        """Note what must be said of the value set itself."""
        self._say_standing(standing_of(self.value_set.resource), findings)
