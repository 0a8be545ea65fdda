"""Packs the files that it is told of on its standard input, as JSON, with Python's own libraries."""
import base64, bz2, gzip, io, json, lzma, os, sqlite3, sys, tarfile, tempfile, zipfile


class Pipe(io.RawIOBase):
    """Cannot be sought in, so that sizes come behind contents."""

    def __init__(self):
        self.written = io.BytesIO()

    def writable(self):
        return True

    def write(self, data):
        return self.written.write(data)


def into_zip(out, files, method, force_zip64=False):
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            with archive.open(name, "w", force_zip64=force_zip64) as entry:
                entry.write(content)


def zipped(files, method=zipfile.ZIP_DEFLATED, **options):
    out = io.BytesIO()
    into_zip(out, files, method, **options)
    return out.getvalue()


def piped(files, method):
    out = Pipe()
    into_zip(out, files, method)
    return out.written.getvalue()


def tarred(files, mode, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as archive:
        for index, (name, content) in enumerate(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
            for kind, target in ((tarfile.SYMTYPE, os.path.basename(name)), (tarfile.LNKTYPE, name)):
                link = tarfile.TarInfo(f"links/{index}.{kind.decode()}")
                link.type, link.linkname = kind, target if kind == tarfile.LNKTYPE else f"../{name}"
                archive.addfile(link)
    return out.getvalue()


def database(rows):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "a.db")
        connection = sqlite3.connect(path)
        connection.execute("create table t (a, b)")
        connection.executemany("insert into t values (?, ?)", [(row, str(row)) for row in range(rows)])
        connection.commit()
        connection.close()
        with open(path, "rb") as file:
            return file.read()


def packed(files):
    every = b"".join(content for _, content in files)
    yield "deflated.zip", zipped(files)
    yield "stored.zip", zipped(files, zipfile.ZIP_STORED)
    yield "wide.zip", zipped(files, force_zip64=True)
    yield "piped.zip", piped(files, zipfile.ZIP_DEFLATED)
    yield "piped-and-stored.zip", piped(files, zipfile.ZIP_STORED)
    yield "nested.zip", zipped([("inner.zip", zipped(files)), ("inner.tar.gz", tarred(files, "w:gz", 1))])
    for name, form in (("ustar", 0), ("gnu", 1), ("pax", 2)):
        yield f"{name}.tar", tarred(files, "w", form)
    for extension in ("gz", "bz2", "xz"):
        yield f"a.tar.{extension}", tarred(files, f"w:{extension}", 2)
    yield "a.csv.gz", gzip.compress(every) + gzip.compress(every)
    yield "a.csv.bz2", bz2.compress(every) + bz2.compress(every)
    yield "a.csv.xz", lzma.compress(every) + lzma.compress(every, preset=0)


for line in sys.stdin:
    files = [(name, base64.b64decode(content)) for name, content in json.loads(line)]
    results = dict(packed(files), **{"a.db": database(len(files) * 100)})
    print(json.dumps({name: base64.b64encode(content).decode() for name, content in results.items()}), flush=True)
