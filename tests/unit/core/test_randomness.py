"""Random texts: each once, of the length they stand for, and none again in a process that was forked."""

import os

from salus.core.identifiers import new_request_id
from salus.core.randomness import RandomTexts


def test_texts_are_of_their_length_and_none_comes_twice():
    texts = RandomTexts(10, bytes.hex)
    drawn = [texts.next() for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
    assert {len(text) for text in drawn} == {20}
    assert len(new_request_id()) == 20


def test_a_forked_process_draws_its_own():
    texts = RandomTexts(10, bytes.hex)
    texts.next()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, texts.next().encode())
        os._exit(0)
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0
    with open(reading) as told:
        assert told.read() not in {texts.next() for _ in range(300)}
