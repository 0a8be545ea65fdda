"""`make.py FOLDER`: makes files that mean harm, and prints a line for each: its name and what it is.

Those of `refused` must not be kept. Those of `bounded` may be, but must be judged in time.
"""

import bz2
import gzip
import io
import json
import lzma
import pickle
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

root = Path(sys.argv[1])
elf = b"\x7fELF\x02\x01\x01" + bytes(57) + b"\x02\x00\x3e\x00" + bytes(200)
windows = b"MZ\x90\x00" + bytes(56) + b"\x80\x00\x00\x00" + bytes(64) + b"PE\x00\x00\x64\x86" + bytes(200)
java = b"\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x1d" + bytes(100)
mach = b"\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00" + bytes(100)
wasm = b"\x00asm\x01\x00\x00\x00" + bytes(20)
shortcut = b"\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46" + bytes(60)
pickled = pickle.dumps({"run": print, "w": list(range(300))}, 4)
ole = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1528)
zeros = bytes(10 << 20)


def written(judged: str, name: str, what: str, content: bytes):
    (root / name).write_bytes(content)
    print(json.dumps({"file": name, "what": what, "gate": judged}))


def refused(name: str, what: str, content: bytes):
    written("refuses", name, what, content)


def bounded(name: str, what: str, content: bytes):
    written("bounds", name, what, content)


def zipped(entries, method=zipfile.ZIP_DEFLATED) -> bytes:
    """Entries are pairs of a name, or a whole ZipInfo, and its content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=1) as archive:
        for name, content in entries:
            archive.writestr(name, content, compress_type=method)
    return out.getvalue()


def tarred(*members, **options) -> bytes:
    """Members are pairs of a TarInfo, or a name, and its content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def npy(descr: str, shape: str, data: bytes) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def png(*more: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    parts = [chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0])), *more, chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


gif = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
jpeg = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb0043" + "01" * 65 + "ffc0000b080001000101011100ffda0008010100003f0054ffd9"
)
wav = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data\0\0\0\0"
mp4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + b"\0\0\0\x0bfree\0\0\0" + b"\0\0\0\x48mdat" + bytes(64)
pdf = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"
jar = zipped([("META-INF/MANIFEST.MF", "Main-Class: A\n"), ("A.class", java)])
types = ("[Content_Types].xml", "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>")
word = [types, ("word/document.xml", "<document/>")]
deck = [types, ("ppt/presentation.xml", "<presentation/>")]
sheet = [types, ("xl/workbook.xml", "<workbook/>")]
odt = [("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", "<c/>")]


def bombs():
    refused("zeros.zip", "120 MB in one entry", zipped([("a.txt", zeros * 12)]))
    refused("entries.zip", "20,000 entries", zipped([(f"{n}.txt", b"") for n in range(20_000)], zipfile.ZIP_STORED))
    refused("zeros.txt.gz", "4 GB in members of 10 MB", gzip.compress(zeros) * 400)
    refused("zeros.txt.bz2", "4 GB in streams of 10 MB", bz2.compress(zeros) * 400)
    refused("zeros.txt.xz", "4 GB in streams of 10 MB", lzma.compress(zeros, preset=1) * 400)
    refused("zeros.tar.gz", "a tar of 4 GB", gzip.compress(tarred(("a.txt", zeros))[: 512 + len(zeros)]) * 400)
    refused("bzip2.zip", "bombs of bzip2 in a zip", zipped([(f"{n}.txt", zeros) for n in range(8)], zipfile.ZIP_BZIP2))
    refused("lzma.zip", "bombs of LZMA in a zip", zipped([(f"{n}.txt", zeros) for n in range(6)], zipfile.ZIP_LZMA))
    refused("zeros.npz", "an array of 120 MB of zeros", zipped([("x.npy", npy("'<f8'", "(15728640,)", zeros * 12))]))
    refused("zeros.docx", "a part of 120 MB", zipped([*word, ("word/a.xml", zeros * 12)]))
    refused("embedded.pptx", "a bomb as a chart's workbook", zipped([*deck, ("ppt/embeddings/a.xlsx", zipped([*sheet, ("xl/a.xml", zeros * 12)]))]))
    inner = zipped([("a.txt", zeros)])
    for _ in range(6):
        inner = zipped([(f"{n}.zip", inner) for n in range(8)])
    refused("nested.zip", "a zip of zips of zips, which holds 2 TB in all", inner)
    deep = b"a"
    for level in range(64):
        deep = zipped([(f"{level}.zip" if level else "a.txt", deep)], zipfile.ZIP_STORED)
    refused("deep.zip", "zips in one another, 64 deep", deep)
    layers = b"a"
    for _ in range(64):
        layers = gzip.compress(layers)
    refused("a.txt" + ".gz" * 20, "gzip in gzip", layers)
    refused("tar-in.zip", "a bomb in a tar in a zip", zipped([("a.tar.gz", gzip.compress(zeros) * 400)], zipfile.ZIP_STORED))
    overlapping()


def overlapping():
    """Every entry of the directory has the same bytes for its content."""
    whole = zipped([("0.txt", zeros[: 1 << 20])])
    directory = whole.index(b"PK\x01\x02")
    entry = bytearray(whole[directory : whole.rindex(b"PK\x05\x06")])
    entries = b""
    for n in range(2000):
        entries += bytes(entry[:46]) + bytes(entry[46:])
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2000, 2000, len(entries), directory, 0)
    refused("overlapping.zip", "two thousand entries with the same bytes", whole[:directory] + entries + end)
    lie = bytearray(whole)
    lie[directory + 24 : directory + 28] = struct.pack("<I", 10)
    refused("lies.zip", "an entry that is larger than it says", bytes(lie))


def links():
    link = tarfile.SYMTYPE
    refused("absolute-link.tar", "a link to /etc/passwd", tarred(member("a.txt", link, "/etc/passwd")))
    refused("climbing-link.tar", "a link out of the archive", tarred(member("d/a.txt", link, "../../../x")))
    refused("hard-link.tar", "a hard link out of the archive", tarred(member("a.txt", tarfile.LNKTYPE, "../../x")))
    refused("through.tar", "a file beyond a link", tarred(member("d", link, ".."), ("d/a.txt", b"a")))
    refused("device.tar", "a device", tarred(member("sda", tarfile.BLKTYPE)))
    refused("pipe.tar", "a named pipe", tarred(member("pipe", tarfile.FIFOTYPE)))
    info = zipfile.ZipInfo("a.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused("link.zip", "a link to /etc/passwd", zipped([(info, "/etc/passwd")]))


def names():
    rows = {
        "climbing": "../../a.txt",
        "climbing-inside": "d/../../a.txt",
        "absolute": "/etc/cron.d/a",
        "backslash": "..\\..\\a.txt",
        "drive": "C:\\Windows\\a.txt",
        "control": "a\n\x1b[2Jb.txt",
    }
    for name, entry in rows.items():
        info = zipfile.ZipInfo("a")
        info.filename = entry
        refused(f"{name}.zip", f"an entry named {entry!r}", zipped([(info, b"a")]))
    for name in ("climbing", "absolute", "climbing-inside"):
        refused(f"{name}.tar", f"an entry named {rows[name]!r}", tarred((rows[name], b"a")))
    nul = zipped([("a.txt_.exe", b"a")]).replace(b"a.txt_.exe", b"a.txt\0.exe")
    refused("nul.zip", "an entry whose name has a NUL", nul)
    twice = zipped([("a.txt", b"a"), ("b.txt", windows)]).replace(b"b.txt", b"a.txt")
    refused("twice.zip", "two entries of one name", twice)
    two = zipped([("a.txt", b"MZ")])
    at = two.index(b"PK\x01\x02")
    refused("two-names.zip", "an entry that is named otherwise in the directory", two[:at].replace(b"a.txt", b"a.exe") + two[at:])


def polyglots():
    for name, head in {"a.gif": gif, "a.png": png(), "a.jpg": jpeg, "a.pdf": pdf, "a.wav": wav, "a.mp4": mp4}.items():
        refused(f"jar-{name}", "a program of Java behind it", head + jar)
    refused("exe-behind.mp4", "a Windows program behind a film", mp4 + windows)
    refused("elf-behind.png", "an ELF behind a picture", png() + elf)
    refused("exe-before.zip", "a zip that extracts itself", windows + zipped([("a.txt", b"a")]))
    refused("page-before.pdf", "a page that is a document too", b"<!DOCTYPE html><script>alert(1)</script>\n" + pdf)
    refused("gif-script.gif", "a picture that is a script too", b"GIF89a=1;alert(1)//" + bytes(20))
    refused("bmp-script.bmp", "a picture that is a script too", b"BM=1;alert(1)//\0\0")
    refused("two-ends.zip", "two directories in one zip", zipped([("a.txt", b"a")]) + zipped([("b.exe", windows)]))
    refused("png.html", "a picture by the name of a page", png())
    refused("pdf.svg", "a document by the name of a drawing", pdf + bytes(8))
    refused("sqlite-behind.sqlite", "an ELF by the name of a database", b"SQLite format 3\0" + elf)


def programs():
    for name, content in {
        "elf.csv": elf,
        "elf.txt": elf,
        "elf.json": elf,
        "elf.ipynb": elf,
        "elf.py": elf,
        "elf.svg": elf,
        "elf": elf,
        "Makefile": elf,
        "elf.sqlite": elf,
        "elf.parquet": elf,
        "elf.mkv": elf,
        "elf.tiff": elf,
        "exe.md": windows,
        "exe.txt": windows,
        "exe.zip": windows,
        "exe.eps": windows,
        "class.txt": java,
        "mach.txt": mach,
        "wasm.js": wasm,
        "shortcut.txt": shortcut,
        "a.exe": windows,
        "a.so": elf,
        "a.class": java,
        "a.jar": jar,
        "a.lnk": shortcut,
        "a.pyc": b"\xa7\r\r\n" + bytes(40),
    }.items():
        refused(f"program-{name}" if "." in name else f"{name}", "a program", content)
    refused("jar.zip", "a program of Java by the name of a zip", jar)
    refused("exe-in.zip", "a Windows program by the name of a picture in a zip", zipped([("a.png", windows)]))
    refused("elf-in.tar.gz", "an ELF in a compressed tar", gzip.compress(tarred(("bin/tool", elf))))
    refused("elf-in.tar.xz", "an ELF in a compressed tar", lzma.compress(tarred(("readme.txt", elf))))
    refused("elf-in.txt.gz", "a compressed ELF", gzip.compress(elf))
    refused("elf-in-zip-in.zip", "an ELF in a zip in a zip", zipped([("b.zip", zipped([("a.txt", elf)]))]))


def pickles():
    refused("objects.npy", "pickled objects", npy("'|O'", "(1,)", pickled))
    refused("fields.npy", "pickled objects among fields", npy("[('a', '<f8'), ('b', '|O')]", "(1,)", pickled))
    refused("ascii.npy", "a pickle in ASCII", pickle.dumps({"a": print}, 0))
    refused("objects.npz", "pickled objects in an archive of arrays", zipped([("x.npy", npy("'|O'", "(1,)", pickled))]))
    refused("pickle.npz", "a pickle beside arrays", zipped([("x.npy", npy("'<f8'", "(1,)", bytes(8))), ("data.pkl", pickled)]))
    refused("pickle.zip", "a pickle in a zip", zipped([("archive/data.pkl", pickled)]))
    refused("model.pkl", "a pickle", pickled)
    refused("model.pkl.gz", "a compressed pickle", gzip.compress(pickled))
    refused("pickle.tar", "a pickle in a tar", tarred(("model.pkl", pickled)))
    refused("pickle.json", "a pickle by the name of JSON", pickled)


def documents():
    refused("macros.docx", "macros", zipped([*word, ("word/vbaProject.bin", ole)]))
    refused("macros.xlsx", "macros by another name", zipped([*sheet, ("xl/media/image1.png", ole)]))
    refused("activex.docx", "a control", zipped([*word, ("word/activeX/activeX1.bin", ole)]))
    refused("package.pptx", "a packed object", zipped([*deck, ("ppt/embeddings/oleObject1.bin", ole)]))
    refused("elf.docx", "an ELF among a document's pictures", zipped([*word, ("word/media/image1.png", elf)]))
    refused("embedded-macros.pptx", "macros in a chart's workbook", zipped([*deck, ("ppt/embeddings/a.xlsx", zipped([*sheet, ("xl/vbaProject.bin", ole)]))]))
    refused("basic.odt", "macros of LibreOffice", zipped([*odt, ("Basic/Standard/Module1.xml", "<x/>")]))
    refused("python.odt", "a script of LibreOffice", zipped([*odt, ("Scripts/python/a.py", "print(1)")]))
    encrypted = bytearray(zipped([("a.txt", b"a")]))
    for at in (6, encrypted.index(b"PK\x01\x02") + 8):
        encrypted[at] |= 1
    refused("encrypted.zip", "an entry that nobody can look into", bytes(encrypted))


def markup():
    laughs = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    bounded("laughs.xml", "a billion laughs", f'<!DOCTYPE a [<!ENTITY a "ha">{laughs}]><a>&m;</a>'.encode())
    bounded("outside.svg", "an entity from outside", b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>')
    for ending, opening in {"xml": b"<a>", "svg": b"<g>", "html": b"<div>", "json": b"[", "ipynb": b"["}.items():
        bounded(f"deep.{ending}", "a million levels", opening * 1_000_000)
    bounded("attributes.html", "a tag of 200,000 attributes", b"<a " + b"".join(b"a%d=1 " % n for n in range(200_000)) + b">")
    bounded("unclosed.svg", "a comment without an end", b"<svg><!--" + b"-" * 5_000_000)
    bounded("references.html", "references without an end", b"&" * 5_000_000)
    bounded("line.csv", "a line of 20 MB", b"a," * 10_000_000)
    bounded("names.pdf", "ten million escaped letters", b"%PDF-1.4\n/" + b"#41" * 5_000_000 + b"\n%%EOF\n")


for make in (bombs, links, names, polyglots, programs, pickles, documents, markup):
    make()
