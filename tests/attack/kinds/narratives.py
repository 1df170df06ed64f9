"""Active content in narrative (R4 narrative.html#rules, txt-1), and names that are code elsewhere."""

from tests.attack.forms import patient, posted

XHTML = "http://www.w3.org/1999/xhtml"


REMOVED = "accepted with the active content removed"


MARKUP = [
    "<script>a()</script>",
    "<SCRIPT>a()</SCRIPT>",
    '<p onmouseover="a()">x</p>',
    '<p ONCLICK="a()">x</p>',
    '<a href="javascript:a()">x</a>',
    '<a href="JaVaScRiPt:a()">x</a>',
    '<a href="&#106;avascript:a()">x</a>',
    '<a href="java&#9;script:a()">x</a>',
    '<a href=" javascript:a()">x</a>',
    '<a href="vbscript:a()">x</a>',
    '<img src="http://evil.example/x.png" alt="x" onerror="a()"/>',
    '<img src="data:image/svg+xml;base64,PHN2Zz4="/>',
    "<object data='http://evil.example'></object>",
    "<embed src='http://evil.example'/>",
    "<form action='/x'></form>",
    "<base href='http://evil.example'/>",
    "<link rel='stylesheet' href='http://evil.example'/>",
    "<video/>",
    "<input/>",
    "<button>x</button>",
    "<template>x</template>",
    "<noscript>x</noscript>",
    '<p style="background:URL(http://evil.example)">x</p>',
    '<p style="width:expression(a())">x</p>',
    '<p style="behavior:url(x)">x</p>',
    '<p style="back\\67round:u\\72l(http://evil.example)">x</p>',
    "<svg xmlns='http://www.w3.org/2000/svg'><a/></svg>",
    "<p xmlns='urn:x'>x</p>",
    "<p>&unknown;</p>",
    "<p>x",
    "<?php x ?>",
    "<![CDATA[<script>a()</script>]]>",
]


HARMLESS_MARKUP = [
    "<p>O&apos;Brien &amp; x</p>",
    '<table><tr><td colspan="2">x</td></tr></table>',
    "<p><i>x</i></p>",
]


def cases():
    def written(markup):
        return patient(text={"status": "generated", "div": f'<div xmlns="{XHTML}">{markup}</div>'})

    never = ["<script", "onclick=", "javascript:", "evil.example"]
    yield from (posted("Patient", written(markup), "accepted") for markup in HARMLESS_MARKUP)
    neutral = ("<?php", "<![CDATA[")
    for markup in MARKUP:
        expect = "neutral" if markup.startswith(neutral) else "refused"
        yield posted("Patient", written(markup), expect, never_in_answer=never) | {"or": REMOVED}
    doctype = '<!DOCTYPE div [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    told = {"text": {"status": "generated", "div": f'{doctype}<div xmlns="{XHTML}">&e;</div>'}}
    yield posted("Patient", patient(**told), never_in_answer=["root:"])
    for name in (
        "Robert'); DROP TABLE resource;--",
        "+SUM(1)",
        "@x",
        "Nguyễn",
        "אברהם",
        "💊",
        "{{7919*7907}}",
        "${7919*7907}",
        "%s%n",
    ):
        yield posted("Patient", patient(name=[{"family": name}]), "accepted", never_in_answer=["62615533"])
