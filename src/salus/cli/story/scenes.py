"""The story: a Portuguese citizen falls ill in Estonia. Each scene does one thing and checks it."""

from __future__ import annotations

from salus.cli.story.beginning import join_federation, load_citizens, start_nodes
from salus.cli.story.home import choose_citizen, prepare_record
from salus.cli.story.pharmacy import check_at_home, dispense
from salus.cli.story.rights import look_again, restrict_document, see_accesses, verify_accesses
from salus.cli.story.silence import name_the_silent
from salus.cli.story.stage import Stage
from salus.cli.story.teller import Scene
from salus.cli.story.visit import be_refused, fetch_summary, identify, list_documents, read_summary

SCENES: tuple[Scene[Stage], ...] = (
    Scene("start", "Three nodes start, each a process with its own folder, keys and database", start_nodes),
    Scene("federation", "The three nodes join one federation, and each knows the others", join_federation),
    Scene("load", "Synthetic citizens are loaded, checked, indexed and audited", load_citizens),
    Scene("citizen", "The citizen of the story is found in Portugal", choose_citizen),
    Scene(
        "record",
        "At home she has a prescription, and her hospital publishes a letter",
        prepare_record,
    ),
    Scene("identify", "She falls ill in Estonia; the clinician there identifies her", identify),
    Scene("refusal", "A look without a treatment relationship is refused", be_refused),
    Scene("summary", "She shows a one-time code; her summary arrives and is valid", fetch_summary),
    Scene("languages", "The clinician reads it in Estonian and in English", read_summary),
    Scene("documents", "Her documents are found and come byte for byte", list_documents),
    Scene("dispense", "The medicine prescribed in Portugal is dispensed in Estonia", dispense),
    Scene("returned", "The dispensation returns: at home the prescription changed once", check_at_home),
    Scene("accesses", "She sees who looked, who dispensed and who was refused", see_accesses),
    Scene("verify", "She verifies those entries against the signed log", verify_accesses),
    Scene("restrict", "She restricts one document", restrict_document),
    Scene("second-look", "A second look no longer shows it to the professional", look_again),
    Scene("silence", "A slow node is named, and the answer of the others stands", name_the_silent),
)
