import gzip
import io
import os
import shutil
import tarfile
import zipfile

from .registry import makes

project = {"README.md": "# Project\n", "src/main.py": "print(1)\n", "data/größe.csv": "a,b\n1,2\n"}


def write_project(root: str):
    for name, text in project.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


@makes(
    "zipfile",
    kept="stored.zip deflated.zip streamed.zip folders.zip commented.zip empty.zip zip64.zip pictures.zip",
    refused={
        "bzip2.zip": "compressed in a way that is not looked into",
        "lzma.zip": "compressed in a way that is not looked into",
    },
)
def zipfile_archives():
    from .documents import picture

    for name, method in {
        "stored.zip": zipfile.ZIP_STORED,
        "deflated.zip": zipfile.ZIP_DEFLATED,
        "bzip2.zip": zipfile.ZIP_BZIP2,
        "lzma.zip": zipfile.ZIP_LZMA,
    }.items():
        with zipfile.ZipFile(name, "w", method) as archive:
            for entry, text in project.items():
                archive.writestr(entry, text)

    class Pipe(io.RawIOBase):
        def __init__(self, file):
            self.file = file

        def writable(self):
            return True

        def write(self, bytes_):
            return self.file.write(bytes_)

    with open("streamed.zip", "wb") as file, zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "a,b\n" * 100)
    write_project("project")
    shutil.make_archive("folders", "zip", "project")
    shutil.rmtree("project")
    with zipfile.ZipFile("commented.zip", "w") as archive:
        archive.comment = b"made today"
        archive.writestr("a.txt", "a")
    zipfile.ZipFile("empty.zip", "w").close()
    with zipfile.ZipFile("zip64.zip", "w") as archive, archive.open("a.txt", "w", force_zip64=True) as entry:
        entry.write(b"a")
    with zipfile.ZipFile("pictures.zip", "w") as archive:
        for form in ("png", "jpeg", "gif", "webp"):
            archive.writestr(f"picture.{'jpg' if form == 'jpeg' else form}", picture(form=form).read())


@makes("zipfile", kept="nested.zip office.zip")
def nested_archives():
    from openpyxl import Workbook

    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", "1,2\n")
    with zipfile.ZipFile("nested.zip", "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("log.txt.gz", gzip.compress(b"a line\n"))
    book = io.BytesIO()
    Workbook().save(book)
    with zipfile.ZipFile("office.zip", "w") as archive:
        archive.writestr("book.xlsx", book.getvalue())


@makes("tarfile", kept="plain.tar project.tar.gz project.tgz project.tar.bz2 project.tar.xz gnu.tar long-names.tar pax.tar inside-link.tar")
def tarfile_archives():
    write_project("project")
    for name, mode in {
        "plain.tar": "w",
        "project.tar.gz": "w:gz",
        "project.tgz": "w:gz",
        "project.tar.bz2": "w:bz2",
        "project.tar.xz": "w:xz",
    }.items():
        with tarfile.open(name, mode) as archive:
            archive.add("project")
    with tarfile.open("gnu.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.add("project", arcname="project")
    with tarfile.open("long-names.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.add("project/README.md", arcname="/".join(["a-long-folder-name"] * 10) + "/README.md")
    with tarfile.open("pax.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "größe"}) as archive:
        archive.add("project", arcname="größe-" * 20)
    with tarfile.open("inside-link.tar", "w") as archive:
        archive.add("project/README.md", arcname="README.md")
        link = tarfile.TarInfo("LIESMICH.md")
        link.type = tarfile.SYMTYPE
        link.linkname = "README.md"
        archive.addfile(link)
    shutil.rmtree("project")


@makes("gzip, bz2 and lzma", kept="log.txt.gz members.log.gz named.csv.gz notes.txt.bz2 notes.txt.xz empty.txt.gz")
def single_files():
    import bz2
    import lzma

    with gzip.open("log.txt.gz", "wt") as file:
        file.write("a line\n" * 1000)
    with open("members.log.gz", "wb") as file:
        file.write(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    with open("named.csv.gz", "wb") as raw, gzip.GzipFile("original name.csv", "wb", fileobj=raw) as file:
        file.write(b"a,b\n")
    with bz2.open("notes.txt.bz2", "wt") as file:
        file.write("notes\n" * 100)
    with lzma.open("notes.txt.xz", "wt") as file:
        file.write("notes\n" * 100)
    gzip.open("empty.txt.gz", "wb").close()
