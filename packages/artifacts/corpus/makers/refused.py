"""What real libraries make that only runs, or that is not what its name says."""

import os
import shutil
import zipfile

from .registry import makes


@makes(
    "pickle, joblib and numpy",
    refused={
        "model.pkl": "a pickle",
        "model.pickle": "a pickle",
        "model.joblib": "a pickle",
        "objects.npy": "pickled objects in an array",
        "objects.npz": "pickled objects in an array of an archive",
        "frame.p": "a pickle",
        "pickle.npy": "a pickle by the name of an array",
        "pickle.csv": "a pickle by the name of a table",
        "pickle.txt": "a pickle by the name of a text",
    },
)
def pickles():
    import pickle

    import joblib
    import numpy
    import pandas

    things = {"weights": numpy.arange(300), "f": print}
    for name in ("model.pkl", "model.pickle", "pickle.npy", "pickle.csv", "pickle.txt"):
        with open(name, "wb") as file:
            pickle.dump(things, file)
    joblib.dump(things, "model.joblib")
    objects = numpy.array([{"a": 1}, print], dtype=object)
    numpy.save("objects.npy", objects)
    numpy.savez("objects.npz", x=objects)
    pandas.DataFrame({"a": [1]}).to_pickle("frame.p")


@makes(
    "zipfile with pickle",
    refused={"weights.pt": "a pickle in an archive", "model.zip": "a pickle in an archive"},
)
def pickles_in_archives():
    import pickle

    for name in ("weights.pt", "model.zip"):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("model/data.pkl", pickle.dumps({"a": print}))
            archive.writestr("model/version", "3\n")


@makes(
    "py_compile",
    refused={"module.pyc": "compiled code", "module.zip": "compiled code in an archive", "module.bin": "compiled code", "app.pyz": "a program"},
)
def bytecode():
    import py_compile
    import zipapp

    os.mkdir("app")
    with open("app/__main__.py", "w") as file:
        file.write("print(1)\n")
    py_compile.compile("app/__main__.py", "module.pyc")
    shutil.copy("module.pyc", "module.bin")
    with zipfile.ZipFile("module.zip", "w") as archive:
        archive.write("module.pyc")
    zipapp.create_archive("app", "app.pyz", interpreter="/usr/bin/env python3")
    shutil.rmtree("app")


def smallest(folder: str, ending: str) -> str:
    found = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names if name.endswith(ending)]
    return min(found, key=os.path.getsize)


def packages() -> str:
    import numpy

    return os.path.dirname(os.path.dirname(numpy.__file__))


names = ("library.so", "library.txt", "library.png", "library.csv", "library", "library.pdf", "library.sqlite", "library.mp4")


@makes(
    "the wheels of PyPI: a shared library",
    refused={
        **{name: "an ELF" for name in names},
        "library.zip": "an ELF in an archive",
        "library.tar": "an ELF in an archive",
        "library.so.gz": "a compressed ELF",
        "document.docx": "an ELF among a document's parts",
    },
)
def shared_libraries():
    import gzip
    import tarfile

    from docx import Document

    library = smallest(packages(), ".so")
    for name in names:
        shutil.copy(library, name)
    with zipfile.ZipFile("library.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(library, "bin/tool")
    with tarfile.open("library.tar", "w") as archive:
        archive.add(library, "bin/tool")
    with open(library, "rb") as source, gzip.open("library.so.gz", "wb") as file:
        shutil.copyfileobj(source, file)
    Document().save("document.docx")
    with zipfile.ZipFile("document.docx", "a") as archive:
        archive.write(library, "word/media/image1.png")


windows = ("setup.exe", "setup.jpg", "setup.txt", "setup", "setup.xlsx", "setup.csv")


@makes(
    "the wheels of PyPI: pip's starter for Windows",
    refused={**{name: "a Windows program" for name in windows}, "setup.zip": "a Windows program in an archive", "hidden.zip": "a Windows program in an archive"},
)
def windows_programs():
    import pip

    starter = smallest(os.path.dirname(pip.__file__), "32.exe")
    for name in windows:
        shutil.copy(starter, name)
    for name, entry in {"setup.zip": "setup.exe", "hidden.zip": "readme.txt"}.items():
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(starter, entry)


@makes(
    "xlsxwriter",
    refused={"macros.xlsm": "macros", "macros.xlsx": "macros by the name of a plain workbook"},
)
def macros():
    import xlsxwriter

    # The library does not read the project: what Excel would take for one is an OLE file of this name.
    with open("vbaProject.bin", "wb") as file:
        file.write(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1528))
    with xlsxwriter.Workbook("macros.xlsm") as book:
        book.add_worksheet()
        book.add_vba_project("vbaProject.bin")
    shutil.copy("macros.xlsm", "macros.xlsx")
    os.remove("vbaProject.bin")


@makes(
    "Pillow",
    refused={
        "cut.png": "half an image",
        "cut.jpg": "half an image",
        "cut.gif": "half an image",
        "really-a-jpeg.png": "another format",
        "really-a-png.webp": "another format",
        "really-a-png.pdf": "another format",
        "really-a-png.txt": "no text",
        "really-a-png.csv": "no text",
        "really-a-png.zip": "no archive",
        "tail.png": "data after its end",
    },
)
def images_that_are_not():
    from .documents import picture

    for ending, form in {"png": "png", "jpg": "jpeg", "gif": "gif"}.items():
        with open(f"cut.{ending}", "wb") as file:
            content = picture(form=form).read()
            file.write(content[: len(content) * 2 // 3])
    rows = {"really-a-jpeg.png": "jpeg", **{f"really-a-png.{ending}": "png" for ending in ("webp", "pdf", "txt", "csv", "zip")}}
    for name, form in rows.items():
        with open(name, "wb") as file:
            file.write(picture(form=form).read())
    with open("tail.png", "wb") as file:
        file.write(picture().read() + b"and more")


@makes(
    "zipfile, gzip and sqlite3",
    refused={"cut.zip": "half an archive", "cut.gz": "half an archive", "cut.tar.xz": "half an archive", "cut.sqlite": "half a database", "cut.parquet": "half a table"},
)
def cut_files():
    import gzip
    import lzma
    import random
    import sqlite3

    import pyarrow
    from pyarrow import parquet

    noise = random.Random(1).randbytes(3000).hex().encode()
    with zipfile.ZipFile("cut.zip", "w") as archive:
        archive.writestr("a.txt", noise)
    with gzip.open("cut.gz", "wb") as file:
        file.write(noise)
    with lzma.open("cut.tar.xz", "wb") as file:
        file.write(noise)
    with sqlite3.connect("cut.sqlite") as database:
        database.execute("CREATE TABLE t (a)")
        database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 30)
    parquet.write_table(pyarrow.table({"a": list(range(500))}), "cut.parquet")
    for name in ("cut.zip", "cut.gz", "cut.tar.xz", "cut.sqlite", "cut.parquet"):
        os.truncate(name, os.path.getsize(name) // 2)


@makes("the interpreter", refused={"tool": "a program without an extension", "tool.dat": "a program"})
def interpreters():
    library = smallest(packages(), ".so")
    for name in ("tool", "tool.dat"):
        shutil.copy(library, name)
        os.chmod(name, 0o755)
