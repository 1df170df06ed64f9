"""JSON that two readers would read differently, that is none, or that is too much of it."""

import base64

from tests.attack.forms import patient, posted


def cases():
    yield posted("Patient", patient(), "accepted")
    texts = {
        "comment": '{"resourceType":"Patient"/**/}',
        "single quotes": "{'resourceType':'Patient'}",
        "two values": '{"resourceType":"Patient"} {"resourceType":"Patient"}',
        "NaN": '{"resourceType":"Patient","multipleBirthInteger":NaN}',
        "-Infinity": '{"resourceType":"Patient","multipleBirthInteger":-Infinity}',
        "leading zero": '{"resourceType":"Patient","multipleBirthInteger":01}',
        "leading plus": '{"resourceType":"Patient","multipleBirthInteger":+1}',
        "point first": '{"resourceType":"Patient","multipleBirthInteger":.5}',
        "point last": '{"resourceType":"Patient","multipleBirthInteger":5.}',
        "octal": '{"resourceType":"Patient","multipleBirthInteger":0o7}',
        "underscore in a number": '{"resourceType":"Patient","multipleBirthInteger":1_0}',
        "integer over 32 bits": '{"resourceType":"Patient","multipleBirthInteger":2147483648}',
        "huge integer": '{"resourceType":"Patient","multipleBirthInteger":' + "9" * 4_500 + "}",
        "tab in a string": '{"resourceType":"Patient","name":[{"family":"a\tb"}]}',
        "escape of no kind": '{"resourceType":"Patient","name":[{"family":"\\x41"}]}',
        "half an escape": '{"resourceType":"Patient","name":[{"family":"\\u00"}]}',
        "lone high surrogate": '{"resourceType":"Patient","name":[{"family":"\\ud83d"}]}',
        "lone low surrogate": '{"resourceType":"Patient","name":[{"family":"\\ude00"}]}',
        "escaped NUL key": '{"resourceType":"Patient","\\u0000":1}',
        "unclosed": '{"resourceType":"Patient"',
        "number": "1",
        "null": "null",
        "true": "true",
        "empty array": "[]",
        "blank": " \n",
        "prototype": '{"resourceType":"Patient","prototype":{"x":1}}',
        "nested objects": '{"resourceType":"Patient","contact":'
        + '[{"contact":' * 3_000
        + "1"
        + "}]" * 3_000
        + "}",
        "repeated type": '{"resourceType":"Patient","resourceType":"Observation"}',
        "repeated deep": '{"resourceType":"Patient","name":[{"family":"a","family":"a"}]}',
    }
    yield from (posted("Patient", text) for text in texts.values())
    for octets in (
        b"\xff",
        b'{"resourceType":"Patient\x00"}',
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf5\x80\x80\x80",
    ):
        raw = b'{"resourceType":"Patient","name":[{"family":"' + octets + b'"}]}'
        yield posted("Patient", "") | {"body_b64": base64.b64encode(raw).decode()}
    for coding in ("utf-16", "utf-16-be", "utf-32"):
        raw = '{"resourceType":"Patient"}'.encode(coding)
        yield posted("Patient", "") | {"body_b64": base64.b64encode(raw).decode()}
    yield posted("Patient", "") | {"body_parts": [['{"resourceType":"Patient","name":', 1], ["[", 50_000]]}
    yield posted("Patient", "") | {
        "body_parts": [['{"resourceType":"Patient","a', 1], ['":1,"a', 20_000], ['":1}', 1]]
    }
