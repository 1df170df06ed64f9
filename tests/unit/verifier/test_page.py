"""verify.html judges every report as verify.py does, in a real browser, and reaches for nothing outside."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.unit.verifier.reports import CASES, COMPLETE, LOG, OTHER_WITNESS, WITNESS

PAGE = (Path(__file__).parents[3] / "verifier" / "verify.html").read_text(encoding="utf-8")
VERDICTS = {0: "complete", 1: "false", 2: "unreadable", 3: "genuine"}

# Judges each case after the page's own script, and leaves the verdicts in the page for --dump-dom.
PLAY = """
<script>
(async () => {
  const PLAYED = CASES, found = {};
  for (const [name, [report, ...keys]] of Object.entries(PLAYED)) {
    found[name] = await judge(JSON.stringify(report), ...keys);
  }
  show(found["complete"]);
  crypto.subtle.importKey = async () => { throw new DOMException("no such algorithm", "NotSupportedError"); };
  found["a browser without Ed25519"] = await judge(JSON.stringify(PLAYED["complete"][0]), "", [], 0);
  const said = ([name, { verdict, sentences }]) => [name, [verdict, sentences.join(" ")]];
  document.body.append(element("pre", JSON.stringify(Object.fromEntries(Object.entries(found).map(said)))));
})();
</script>
"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium on the PATH to run the page")
    return found


@pytest.fixture(scope="module")
def judged(browser, tmp_path_factory):
    """The verdict and sentences on every case and on what its keys can be, from one run of the browser."""
    folder = tmp_path_factory.mktemp("page")
    played = {name: (report, LOG, [WITNESS], 0) for name, (report, _) in CASES.items()}
    played["two of three"] = (COMPLETE, LOG, [WITNESS, OTHER_WITNESS], 2)
    played["one twice"] = (COMPLETE, LOG, [WITNESS, WITNESS], 2)
    played["no keys"] = (COMPLETE, "", [], 0)
    played["key altered"] = (COMPLETE, LOG.replace("salus", "other"), [], 0)
    played["keys exchanged"] = (COMPLETE, WITNESS, [LOG], 0)
    script = PLAY.replace("CASES", json.dumps(played).replace("<", "\\u003c"))
    (folder / "page.html").write_text(PAGE.replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run(
        [*command, (folder / "page.html").as_uri()], capture_output=True, timeout=120, check=True
    )
    dom = done.stdout.decode()
    found = re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL)
    assert found, "the browser left no verdicts in the page"
    return json.loads(html.unescape(found[1])) | {"page": dom}


@pytest.mark.parametrize("name", CASES)
def test_the_page_judges_as_the_program_does(judged, name):
    verdict, sentences = judged[name]
    assert (name, verdict) == (name, VERDICTS[CASES[name][1]]), sentences


def test_the_page_says_what_it_found_in_the_words_of_the_program(judged):
    assert "GENUINE: all 4 accesses are, unchanged, in the log of salus.test/ledger" in judged["complete"][1]
    assert "ee-1.test vouches for the log as it was at 2026-11-24 09:00:00 UTC." in judged["complete"][1]
    assert "COMPLETE: accesses 1 to 4 are all there" in judged["page"]
    assert "<td>Márcia</td>" in judged["page"]


def test_the_page_minds_which_keys_it_is_given(judged):
    assert judged["two of three"][0] == judged["one twice"][0] == "false"
    assert "CAUTION: no key of the log was given" in judged["no keys"][1]
    assert judged["key altered"][0] == judged["keys exchanged"][0] == "unreadable"


def test_a_browser_that_cannot_verify_says_so_and_judges_nothing(judged):
    verdict, sentences = judged["a browser without Ed25519"]
    assert (verdict, "nothing was checked" in sentences) == ("unable", True)


def test_the_page_is_one_file_that_may_load_and_send_nothing():
    assert "default-src 'none'" in PAGE
    assert re.findall(r"\b(?:src|href)=|fetch\(|XMLHttpRequest|@import|url\(", PAGE) == []
