import datetime
import sqlite3

import numpy
import pandas

from .registry import makes


def frame() -> pandas.DataFrame:
    days = pandas.date_range("2026-01-01", periods=20, freq="D")
    return pandas.DataFrame(
        {
            "day": days,
            "city": ["Zürich", "東京", "São Paulo", "Αθήνα"] * 5,
            "count": numpy.arange(20),
            "share": numpy.linspace(0, 1, 20),
        }
    )


@makes("pandas", kept="table.csv table.tsv table.json rows.jsonl rows.ndjson table.md table.html table.tex table.txt")
def pandas_texts():
    table = frame()
    table.to_csv("table.csv", index=False)
    table.to_csv("table.tsv", sep="\t")
    table.to_json("table.json", orient="records", date_format="iso", force_ascii=False)
    table.to_json("rows.jsonl", orient="records", lines=True)
    table.to_json("rows.ndjson", orient="records", lines=True)
    with open("table.md", "w") as file:
        file.write("| city | count |\n|---|---:|\n" + "".join(f"| {c} | {n} |\n" for c, n in zip(table.city, table["count"])))
    table.to_html("table.html")
    table.to_latex("table.tex")
    with open("table.txt", "w") as file:
        file.write(table.to_string())


@makes("pandas", kept="excel.csv latin1.csv cp1252.csv shiftjis.csv gb18030.csv koi8.csv utf16.csv utf16le.txt utf32.txt")
def pandas_encodings():
    table = pandas.DataFrame({"MZ": [101.5, 102.5], "Größe": ["ä", "ß"]})
    table.to_csv("excel.csv", encoding="utf-8-sig", index=False)
    table.to_csv("latin1.csv", encoding="latin-1", index=False)
    table.rename(columns={"Größe": "Preis €"}).to_csv("cp1252.csv", encoding="cp1252", sep=";", index=False)
    pandas.DataFrame({"名前": ["山田", "鈴木"]}).to_csv("shiftjis.csv", encoding="shift_jis")
    pandas.DataFrame({"姓名": ["李雷", "韩梅梅"]}).to_csv("gb18030.csv", encoding="gb18030")
    pandas.DataFrame({"имя": ["Иван", "Мария"]}).to_csv("koi8.csv", encoding="koi8-r")
    table.to_csv("utf16.csv", encoding="utf-16", index=False)
    for name, encoding in {"utf16le.txt": "utf-16", "utf32.txt": "utf-32"}.items():
        with open(name, "w", encoding=encoding) as file:
            file.write("Größe, 東京\n")


@makes("pandas", kept="mz.csv gif.csv id3.csv bm.txt pk.tsv elf.csv pdf.csv riff.txt ps.txt cafebabe.csv shebang.csv")
def pandas_columns_like_formats():
    for name, column in {
        "mz.csv": "MZ",
        "gif.csv": "GIF89a",
        "id3.csv": "ID3",
        "bm.txt": "BM",
        "elf.csv": "ELF",
        "pdf.csv": "%PDF-share",
        "riff.txt": "RIFF",
        "ps.txt": "%!PS",
        "cafebabe.csv": "cafebabe",
        "shebang.csv": "#!",
    }.items():
        pandas.DataFrame({column: [1, 2], "intensity": [3.5, 4.5]}).to_csv(name, index=False)
    pandas.DataFrame({"PK": [1, 2], "name": ["a", "b"]}).to_csv("pk.tsv", sep="\t", index=False)


@makes("pandas with gzip, bz2, xz and zip", kept="table.csv.gz table.csv.bz2 table.csv.xz table.csv.zip table.tar")
def pandas_compressed():
    for ending in ("csv.gz", "csv.bz2", "csv.xz", "csv.zip"):
        frame().to_csv(f"table.{ending}")
    frame().to_csv("table.tar", compression={"method": "tar", "mode": "w"})


@makes("openpyxl", kept="plain.xlsx charts.xlsx styled.xlsx comments.xlsx validation.xlsx template.xltx")
def openpyxl_books():
    from openpyxl import Workbook
    from openpyxl.chart import BarChart, LineChart, Reference
    from openpyxl.comments import Comment
    from openpyxl.formatting.rule import ColorScaleRule
    from openpyxl.styles import Font, PatternFill
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.table import Table

    def book():
        workbook = Workbook()
        for row in [("a", "b"), *((n, n * n) for n in range(10))]:
            workbook.active.append(row)
        return workbook, workbook.active

    workbook, _ = book()
    workbook.save("plain.xlsx")
    workbook, sheet = book()
    for kind, place in ((BarChart, "D2"), (LineChart, "D20")):
        chart = kind()
        chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=11), titles_from_data=True)
        sheet.add_chart(chart, place)
    workbook.save("charts.xlsx")
    workbook, sheet = book()
    sheet["A1"].font = Font(bold=True)
    sheet["A2"].fill = PatternFill("solid", fgColor="FFFF00")
    sheet.conditional_formatting.add("B2:B11", ColorScaleRule(start_type="min", start_color="FF0000", end_type="max", end_color="00FF00"))
    sheet["C1"] = "=SUM(B2:B11)"
    sheet["C2"].hyperlink = "https://example.org/"
    sheet.add_table(Table(displayName="Numbers", ref="A1:B11"))
    workbook.save("styled.xlsx")
    workbook, sheet = book()
    sheet["A1"].comment = Comment("ein Kommentar", "jemand")
    workbook.save("comments.xlsx")
    workbook, sheet = book()
    sheet.add_data_validation(DataValidation(type="list", formula1='"yes,no"', sqref="D1:D9"))
    sheet.protection.set_password("secret")
    workbook.save("validation.xlsx")
    workbook.template = True
    workbook.save("template.xltx")


@makes("xlsxwriter", kept="report.xlsx image.xlsx sparkline.xlsx constant-memory.xlsx")
def xlsxwriter_books():
    import io

    import xlsxwriter
    from PIL import Image

    with xlsxwriter.Workbook("report.xlsx") as book:
        sheet = book.add_worksheet("Résumé")
        sheet.write_column("A1", range(10))
        chart = book.add_chart({"type": "pie"})
        chart.add_series({"values": "=Résumé!$A$1:$A$10"})
        sheet.insert_chart("C1", chart)
        sheet.write_datetime("B1", datetime.datetime(2026, 1, 1), book.add_format({"num_format": "yyyy-mm-dd"}))
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "png")
    with xlsxwriter.Workbook("image.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.insert_image("A1", "red.png", {"image_data": picture})
        sheet.insert_textbox("E1", "a text box")
        sheet.set_header("&C&G", {"image_center": "red.png", "image_data_center": picture})
        sheet.insert_checkbox("B9", True)
    with xlsxwriter.Workbook("sparkline.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row("A1", [1, 3, 2])
        sheet.add_sparkline("D1", {"range": "Sheet1!A1:C1"})
    with xlsxwriter.Workbook("constant-memory.xlsx", {"constant_memory": True, "use_zip64": True}) as book:
        book.add_worksheet().write_row(0, 0, [1, 2, 3])


@makes("pandas", kept="frame.xlsx frame.ods frame.parquet frame.feather frame.orc frame.dta frame.xml")
def pandas_binaries():
    table = frame()
    table.to_excel("frame.xlsx", sheet_name="Daten")
    table.to_excel("frame.ods")
    table.to_parquet("frame.parquet")
    table.to_feather("frame.feather")
    table.to_orc("frame.orc")
    table.drop(columns="city").to_stata("frame.dta")
    table.to_xml("frame.xml")


@makes("pyarrow", kept="snappy.parquet zstd.parquet nested.parquet stream.arrow file.arrow lz4.feather v1.feather dataset.csv")
def pyarrow_tables():
    import pyarrow
    from pyarrow import csv, feather, ipc, parquet

    table = pyarrow.table({"a": list(range(100)), "b": [[n, n] for n in range(100)], "c": [{"x": n} for n in range(100)]})
    flat = table.select(["a"])
    parquet.write_table(flat, "snappy.parquet", compression="snappy")
    parquet.write_table(flat, "zstd.parquet", compression="zstd", version="2.6")
    parquet.write_table(table, "nested.parquet", row_group_size=10)
    with ipc.new_file("file.arrow", table.schema) as writer:
        writer.write_table(table)
    with ipc.new_stream("stream.arrow", table.schema) as writer:
        writer.write_table(table)
    feather.write_feather(table, "lz4.feather", compression="lz4")
    feather.write_feather(flat, "v1.feather", version=1)
    csv.write_csv(flat, "dataset.csv")


@makes("polars", kept="polars.csv polars.parquet polars.arrow polars.ndjson")
def polars_tables():
    import polars

    table = polars.DataFrame({"a": [1, 2, 3], "b": ["x", "ü", None]})
    table.write_csv("polars.csv")
    table.write_parquet("polars.parquet")
    table.write_ipc("polars.arrow")
    table.write_ndjson("polars.ndjson")


@makes("sqlite3", kept="shop.sqlite shop.db shop.sqlite3 wal.db dump.sql")
def sqlite_databases():
    for name in ("shop.sqlite", "shop.db", "shop.sqlite3", "wal.db"):
        database = sqlite3.connect(name)
        if name == "wal.db":
            database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE sales (day TEXT, amount REAL)")
        database.executemany("INSERT INTO sales VALUES (?, ?)", [("2026-01-01", n / 2) for n in range(50)])
        database.commit()
        if name == "shop.db":
            with open("dump.sql", "w") as file:
                file.writelines(f"{line}\n" for line in database.iterdump())
        database.close()


@makes("numpy", kept="array.npy structured.npy fortran.npy arrays.npz compressed.npz text.npy matrix.txt")
def numpy_arrays():
    numpy.save("array.npy", numpy.arange(100.0).reshape(10, 10))
    numpy.save("structured.npy", numpy.zeros(3, dtype=[("a", "<f8"), ("b", "<i4", (2,))]))
    numpy.save("fortran.npy", numpy.asfortranarray(numpy.eye(4)))
    numpy.save("text.npy", numpy.array(["a", "öä", "東京"]))
    numpy.savez("arrays.npz", x=numpy.arange(5), y=numpy.eye(3))
    numpy.savez_compressed("compressed.npz", x=numpy.zeros((100, 100)), title=numpy.array("a title"))
    numpy.savetxt("matrix.txt", numpy.eye(3))


@makes("h5py", kept="data.h5 data.hdf5")
def h5py_files():
    import h5py

    for name in ("data.h5", "data.hdf5"):
        with h5py.File(name, "w") as file:
            file.create_dataset("x", data=numpy.arange(100), compression="gzip")
            file.attrs["title"] = "Größe"


@makes("fastavro", kept="events.avro")
def fastavro_files():
    import fastavro

    schema = {"type": "record", "name": "Event", "fields": [{"name": "id", "type": "int"}]}
    with open("events.avro", "wb") as file:
        fastavro.writer(file, schema, [{"id": n} for n in range(10)], codec="deflate")


@makes("scipy", kept="matrix.mat sparse.npz tone.wav")
def scipy_files():
    import scipy.io
    import scipy.sparse

    scipy.io.savemat("matrix.mat", {"a": numpy.eye(3), "name": "value"})
    scipy.sparse.save_npz("sparse.npz", scipy.sparse.eye(10, format="csr"))
    scipy.io.wavfile.write("tone.wav", 8000, (numpy.sin(numpy.arange(800)) * 3000).astype("int16"))
