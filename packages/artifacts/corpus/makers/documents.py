import io

from .registry import makes


def picture(size=(16, 16), form="png"):
    from PIL import Image

    bytes_ = io.BytesIO()
    Image.new("RGB", size, "teal").save(bytes_, form)
    bytes_.seek(0)
    return bytes_


@makes("python-docx", kept="letter.docx pictures.docx table.docx headers.docx")
def docx_documents():
    from docx import Document

    document = Document()
    document.add_heading("Größe", 0)
    document.add_paragraph("A letter.", style="List Bullet")
    document.save("letter.docx")
    document = Document()
    for form in ("png", "jpeg", "gif", "bmp", "tiff"):
        document.add_picture(picture(form=form))
    document.save("pictures.docx")
    document = Document()
    table = document.add_table(rows=2, cols=2, style="Light Grid Accent 1")
    table.cell(0, 0).text = "a"
    document.core_properties.author = "somebody"
    document.save("table.docx")
    document = Document()
    document.sections[0].header.paragraphs[0].text = "Header"
    document.sections[0].footer.paragraphs[0].text = "Footer"
    document.add_page_break()
    document.add_comment(document.add_paragraph("noted").runs, text="a comment")
    document.save("headers.docx")


@makes("python-pptx", kept="deck.pptx native-charts.pptx pictures.pptx film.pptx notes.pptx")
def pptx_decks():
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData, XyChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    place = [Inches(n) for n in (1, 1, 6, 4)]

    def deck():
        presentation = Presentation()
        return presentation, presentation.slides.add_slide(presentation.slide_layouts[5])

    presentation, slide = deck()
    slide.shapes.title.text = "Sales"
    presentation.save("deck.pptx")
    presentation, slide = deck()
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("West", (1.5, 2.5))
    for kind in (XL_CHART_TYPE.COLUMN_CLUSTERED, XL_CHART_TYPE.PIE, XL_CHART_TYPE.LINE):
        slide.shapes.add_chart(kind, *place, data)
    points = XyChartData()
    points.add_series("points").add_data_point(1, 2)
    slide.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, *place, points)
    presentation.save("native-charts.pptx")
    presentation, slide = deck()
    slide.shapes.add_picture(picture(), *place)
    presentation.save("pictures.pptx")
    presentation, slide = deck()
    with open(film_path(), "rb") as film:
        slide.shapes.add_movie(film, *place, poster_frame_image=picture(), mime_type="video/mp4")
    presentation.save("film.pptx")
    presentation, slide = deck()
    slide.notes_slide.notes_text_frame.text = "Say this."
    slide.shapes.add_table(2, 2, *place)
    presentation.save("notes.pptx")


def film_path():
    import os
    import tempfile

    import imageio.v2 as imageio
    import numpy

    path = os.path.join(tempfile.mkdtemp(), "film.mp4")
    imageio.mimwrite(path, [numpy.full((32, 32, 3), n * 20, "uint8") for n in range(4)], fps=4)
    return path


@makes("python-pptx", kept="workbook.pptx")
def pptx_with_workbook():
    from openpyxl import Workbook
    from pptx import Presentation
    from pptx.enum.shapes import PROG_ID
    from pptx.util import Inches

    workbook = io.BytesIO()
    Workbook().save(workbook)
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    slide.shapes.add_ole_object(workbook, PROG_ID.XLSX, Inches(1), Inches(1))
    presentation.save("workbook.pptx")


@makes("odfpy", kept="text.odt sheet.ods slides.odp")
def odf_documents():
    from odf.draw import Page
    from odf.opendocument import OpenDocumentPresentation, OpenDocumentSpreadsheet, OpenDocumentText
    from odf.style import MasterPage, PageLayout
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    text = OpenDocumentText()
    text.text.addElement(P(text="Ein Absatz"))
    text.save("text.odt")
    sheet = OpenDocumentSpreadsheet()
    table = Table(name="Blatt")
    row = TableRow()
    row.addElement(TableCell(valuetype="float", value="1"))
    table.addElement(row)
    sheet.spreadsheet.addElement(table)
    sheet.save("sheet.ods")
    slides = OpenDocumentPresentation()
    layout = PageLayout(name="layout")
    slides.automaticstyles.addElement(layout)
    master = MasterPage(name="master", pagelayoutname=layout)
    slides.masterstyles.addElement(master)
    slides.presentation.addElement(Page(masterpagename=master))
    slides.save("slides.odp")


@makes("reportlab", kept="report.pdf chart.pdf form.pdf encrypted.pdf linked.pdf drawing.svg")
def reportlab_documents():
    from reportlab.graphics import renderPDF, renderSVG
    from reportlab.graphics.charts.barcharts import VerticalBarChart
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

    styles = getSampleStyleSheet()
    SimpleDocTemplate("report.pdf", title="Report").build([Paragraph("Größe", styles["Title"]), Table([[1, 2], [3, 4]])])
    drawing = Drawing(200, 100)
    chart = VerticalBarChart()
    chart.data = [[1, 2, 3]]
    drawing.add(chart)
    renderPDF.drawToFile(drawing, "chart.pdf")
    renderSVG.drawToFile(drawing, "drawing.svg")
    canvas = Canvas("form.pdf")
    canvas.acroForm.textfield(name="name", x=100, y=100)
    canvas.acroForm.checkbox(name="agree", x=100, y=200)
    canvas.showPage()
    canvas.save()
    canvas = Canvas("encrypted.pdf", encrypt=StandardEncryption("", ownerPassword="owner", canPrint=0))
    canvas.drawString(9, 9, "a page")
    canvas.showPage()
    canvas.save()
    canvas = Canvas("linked.pdf")
    canvas.bookmarkPage("one")
    canvas.drawString(9, 9, "a page")
    canvas.linkURL("https://example.org/", (0, 0, 100, 100))
    canvas.addOutlineEntry("One", "one")
    canvas.showPage()
    canvas.save()


@makes("fpdf2", kept="fpdf.pdf picture.pdf table.pdf attached.pdf")
def fpdf_documents():
    from fpdf import FPDF

    def page():
        document = FPDF()
        document.add_page()
        document.set_font("Helvetica")
        return document

    document = page()
    document.write_html("<h1>Title</h1><p>Text with <b>bold</b></p>")
    document.output("fpdf.pdf")
    document = page()
    document.image(picture(), x=10, y=10)
    document.output("picture.pdf")
    document = page()
    with document.table() as table:
        table.row(["a", "b"])
    document.output("table.pdf")
    with open("data.csv", "w") as file:
        file.write("a,b\n1,2\n")
    document = page()
    document.embed_file("data.csv", desc="the data")
    document.output("attached.pdf")
    import os

    os.remove("data.csv")


@makes("pypdf", kept="merged.pdf attachment.pdf metadata.pdf updated.pdf")
def pypdf_documents():
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.write("merged.pdf")
    writer.add_attachment("data.json", b'{"a": 1}')
    writer.write("attachment.pdf")
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.add_metadata({"/Title": "Größe"})
    writer.compress_identical_objects()
    writer.write("metadata.pdf")
    changed = PdfWriter("merged.pdf", incremental=True)
    changed.add_blank_page(100, 100)
    changed.write("updated.pdf")


@makes("PyMuPDF", kept="mupdf.pdf page.svg page.png text.html")
def pymupdf_documents():
    import pymupdf

    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 72), "Hello")
    page.add_highlight_annot(page.search_for("Hello"))
    document.save("mupdf.pdf", garbage=4, deflate=True, use_objstms=1)
    with open("page.svg", "w") as file:
        file.write(page.get_svg_image())
    page.get_pixmap(dpi=20).save("page.png")
    with open("text.html", "w") as file:
        file.write(page.get_text("html"))


@makes("ebooklib", kept="book.epub")
def epub_books():
    from ebooklib import epub

    book = epub.EpubBook()
    book.set_title("A book")
    chapter = epub.EpubHtml(title="One", file_name="one.xhtml", content="<h1>One</h1><p>Text</p>")
    book.add_item(chapter)
    book.toc = [chapter]
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = ["nav", chapter]
    epub.write_epub("book.epub", book)


@makes("nbformat", kept="notebook.ipynb outputs.ipynb")
def notebooks():
    import base64

    import nbformat.v4 as nb
    import nbformat

    notebook = nb.new_notebook(cells=[nb.new_markdown_cell("# Title"), nb.new_code_cell("print(1)")])
    nbformat.write(notebook, "notebook.ipynb")
    image = base64.b64encode(picture().read()).decode()
    outputs = [
        nb.new_output("display_data", {"image/png": image}),
        nb.new_output("display_data", {"text/html": "<script>draw()</script><table><tr><td>1</td></tr></table>"}),
        nb.new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m\n"),
    ]
    nbformat.write(nb.new_notebook(cells=[nb.new_code_cell("plot()", outputs=outputs)]), "outputs.ipynb")


@makes("xlwt", refused={"old.xls": "its format may hide macros: xlsx is what is kept"})
def xls_books():
    import xlwt

    book = xlwt.Workbook()
    book.add_sheet("Sheet").write(0, 0, "a")
    book.save("old.xls")
