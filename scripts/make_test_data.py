"""Writes `test-data/`, the same bytes on every machine; `--check` tells whether the folder is as it should be.

python -m scripts.make_test_data [--check] [--into FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "test-data"
_SEED = 20_260_101
_TIME = (2026, 1, 1, 0, 0, 0)
_UNIX_TIME = 1_767_225_600


def files() -> dict[str, bytes]:
    """Every file of the folder by its path."""
    return {
        "README.txt": _text("Objects to try the service with. scripts/make_test_data.py writes them."),
        **_documents(),
        **_tables(),
        **_images(),
        **_archives(),
        **_code(),
        **_names(),
        **_nested(),
        "empty/empty.txt": b"",
    }


def _text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _documents() -> dict[str, bytes]:
    return {
        "documents/readme.md": _text("# Readme", "", "A document with a *little* markup."),
        "documents/letter.txt": _text("Dear customer,", "", "everything is in step.", "", "Yours, the service"),
        "documents/windows-lines.txt": b"first line\r\nsecond line\r\n",
        "documents/latin1.txt": "Größe, façade, señor\n".encode("latin-1"),
        "documents/report.pdf": _pdf("Quarterly report: all objects are in step."),
    }


def _pdf(line: str) -> bytes:
    """A document of one page, with a cross-reference table that is right."""
    drawing = f"BT /F1 18 Tf 72 720 Td ({line}) Tj ET".encode()
    fonts = b"/Resources << /Font << /F1 5 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %s /Contents 4 0 R >>" % fonts
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start, count = len(out), len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)
    return bytes(out)


def _tables() -> dict[str, bytes]:
    chance = random.Random(_SEED)
    orders = [(n, chance.choice(["NA", "null", "001", "1e5"]), chance.randrange(100_000) / 100) for n in range(400)]
    readings = [{"id": n, "value": chance.randrange(-500, 500), "ok": bool(n % 3)} for n in range(200)]
    return {
        "tables/orders.csv": _csv([("order", "code", "amount"), *orders]),
        "tables/settings.json": (
            json.dumps({"name": "example", "tags": ["a", "ü"], "depth": {"of": 2}}, indent=2) + "\n"
        ).encode(),
        "tables/readings.jsonl": "".join(json.dumps(reading) + "\n" for reading in readings).encode(),
        "tables/layout.xml": _text(
            '<?xml version="1.0" encoding="UTF-8"?>', "<layout><item id='1'>&amp;</item></layout>"
        ),
        "tables/settings.yaml": _text("name: example", "tags: [a, b]"),
    }


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _images() -> dict[str, bytes]:
    return {"images/gradient.png": _png(48, 32), "images/dot.gif": _gif(), "images/square.bmp": _bmp(8)}


def _png(width: int, height: int) -> bytes:
    """A picture in true colour; its pixels are stored, not deflated, so that every zlib writes the same bytes."""
    lines = [
        bytes([0]) + bytes(v for x in range(width) for v in (x * 5 % 256, y * 8 % 256, 128)) for y in range(height)
    ]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines), 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, body) for name, body in chunks)


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _gif() -> bytes:
    """One black dot: header, screen with two colours, image of 1 x 1, its code stream, end."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    return screen + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00;"


def _bmp(side: int) -> bytes:
    pixels = bytes([40, 160, 220]) * side * side
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + pixels


def _archives() -> dict[str, bytes]:
    members = {"inside/one.txt": b"one\n", "inside/two.txt": b"two\n" * 100}
    return {"archives/bundle.zip": _zip(members), "archives/bundle.tar.gz": _gzip(_tar(members))}


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = 3
            archive.writestr(info, content)
    return out.getvalue()


def _tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), _UNIX_TIME
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _gzip(content: bytes) -> bytes:
    """A gzip member of stored blocks, its header written here: Pythons differ in both."""
    packer = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(content) + packer.flush()
    head = b"\x1f\x8b\x08\x00" + struct.pack("<I", _UNIX_TIME) + b"\x00\xff"
    return head + body + struct.pack("<II", zlib.crc32(content), len(content))


def _code() -> dict[str, bytes]:
    return {
        "code/hello.py": _text('"""Says hello."""', "", 'GREETING = "hello"'),
        "code/hello.c": _text("#include <stdio.h>", 'int main(void) { puts("hello"); return 0; }'),
        "code/hello.js": _text("console.log('hello');"),
        "code/page.html": _text("<!doctype html>", "<title>Hello</title>", "<script>document.title = 'hello'</script>"),
        "code/query.sql": _text("SELECT 'hello'; -- '; DROP TABLE observed;"),
        "code/run.sh": _text("#!/bin/sh", "echo hello"),
    }


_UNICODE_NAMES = ("Übersicht.txt", "日本語.txt", "кириллица.txt", "emoji-🚀.txt", "العربية.txt", "naïve café.txt")
_AWKWARD_NAMES = (
    "spaces in the name.txt",
    "plus+and&ampersand.txt",
    "percent%20sign.txt",
    "semi;colon,comma.txt",
    "brackets[1](2){3}.txt",
    "[b]markup[!b].txt",
    "quote's.txt",
    "hash#equals=at@.txt",
    "dollar$tilde~caret^.txt",
    "back`tick!.txt",
    "double..dots.txt",
    "-leading-dash.txt",
    ".hidden",
    "no-extension",
    "NA",
    "null",
    "001",
    "1e5",
    "0644",
    "=1+1.csv",
    f"long-{'name-' * 24}end.txt",
)


def _names() -> dict[str, bytes]:
    unicode_files = {f"unicode/{name}": _text(f"The name of this file is {name}") for name in _UNICODE_NAMES}
    return {**unicode_files, **{f"awkward/{name}": _text(f"Awkward: {name}") for name in _AWKWARD_NAMES}}


def _nested() -> dict[str, bytes]:
    levels = [f"level{n}" for n in range(1, 13)]
    return {f"nested/{'/'.join(levels[:n])}/at-{n}.txt": _text(f"{n} levels down") for n in (1, 5, 12)}


def differences(folder: Path) -> list[str]:
    """What is missing, changed or too much in `folder`, one line each."""
    wanted = files()
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    lines = [f"too much: {name}" for name in sorted(there - wanted.keys())]
    for name, content in wanted.items():
        if name not in there:
            lines.append(f"missing: {name}")
        elif (folder / name).read_bytes() != content:
            lines.append(f"changed: {name}")
    return lines


def write(folder: Path) -> int:
    """Writes every file and returns how many there are. Other files are left alone."""
    wanted = files()
    for name, content in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return len(wanted)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write test-data/, the same bytes on every machine.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the folder differs")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder (default: test-data)")
    options = parser.parse_args(arguments)
    if options.check:
        lines = differences(options.into)
        print("\n".join(lines) or "as it should be")
        return 1 if lines else 0
    print(f"{write(options.into)} files in {options.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
