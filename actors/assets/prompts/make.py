#!/usr/bin/env python3
"""Makes LANGUAGE.pack of each LANGUAGE.txt: the words of the menus, spoken by espeak-ng, as Opus of a telephone's width.

A maintainer's tool: it wants espeak-ng, sox and opusenc, and is run after a text has changed. A pack is one line of ASCII
for each prompt, `NAME LENGTH`, an empty line, and then the Ogg Opus files in the same order. The numbers 0 to 59 are added
to the texts.
"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
VOICES = {"en": "en-gb", "de": "de", "fr": "fr-fr", "da": "da", "es": "es"}
SPEED = {"da": "150"}


def spoken(voice, speed, text, folder):
    raw, cut, opus = (folder / name for name in ("raw.wav", "cut.wav", "prompt.opus"))
    subprocess.run(["espeak-ng", "-v", voice, "-s", speed, "-w", raw, text], check=True)
    # The telephone's band, no silence at either end but a short one after it, and all equally loud.
    edge = ["silence", "1", "0.01", "0.5%", "reverse"]
    subprocess.run(["sox", "-V1", raw, "-r", "8000", "-c", "1", "-b", "16", cut, "highpass", "200", *edge, *edge,
                    "pad", "0", "0.06", "norm", "-4"], check=True)
    subprocess.run(["opusenc", "--quiet", "--speech", "--bitrate", "9", "--framesize", "20", "--comp", "10",
                    "--discard-comments", cut, opus], check=True)
    return opus.read_bytes()


def main():
    for text in sorted(HERE.glob("*.txt")):
        language = text.stem
        if sys.argv[1:] and language not in sys.argv[1:]:
            continue
        prompts = [line.split(" = ", 1) for line in text.read_text().splitlines() if line]
        prompts += [[str(number), str(number)] for number in range(60)]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            made = [(name, spoken(VOICES[language], SPEED.get(language, "160"), words, folder)) for name, words in prompts]
        index = "".join(f"{name} {len(octets)}\n" for name, octets in made)
        (HERE / f"{language}.pack").write_bytes(index.encode() + b"\n" + b"".join(octets for _, octets in made))
        print(language, len(made), "prompts")


main()
