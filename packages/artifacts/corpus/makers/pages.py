from .registry import makes


@makes("plotly", kept="figure.html directory.html figure.json fragment.html")
def plotly_figures():
    import plotly.express as express

    figure = express.scatter(x=[1, 2], y=[3, 4], title="<b>Größe</b>")
    figure.write_html("figure.html")
    figure.write_html("directory.html", include_plotlyjs="cdn")
    figure.write_html("fragment.html", include_plotlyjs="cdn", full_html=False)
    figure.write_json("figure.json")


@makes("bokeh", kept="bokeh.html bokeh-cdn.html bokeh.json")
def bokeh_plots():
    import json

    from bokeh.embed import file_html, json_item
    from bokeh.plotting import figure
    from bokeh.resources import CDN, INLINE

    plot = figure(title="a plot")
    plot.line([1, 2], [3, 4])
    for name, resources in {"bokeh.html": INLINE, "bokeh-cdn.html": CDN}.items():
        with open(name, "w") as file:
            file.write(file_html(plot, resources))
    with open("bokeh.json", "w") as file:
        json.dump(json_item(plot), file)


@makes("altair", kept="chart.html chart.json")
def altair_charts():
    import altair
    import pandas

    chart = altair.Chart(pandas.DataFrame({"a": [1], "b": [2]})).mark_bar().encode(x="a", y="b")
    chart.save("chart.html")
    chart.save("chart.json")


@makes("folium", kept="map.html")
def folium_maps():
    import folium

    place = folium.Map((47.4, 8.5), zoom_start=10)
    folium.Marker((47.4, 8.5), popup="<b>Zürich</b>").add_to(place)
    place.save("map.html")


@makes("lxml", kept="page.html page.xhtml data.xml sheet.xsl annotation.xml namespaces.xml pretty.svg")
def lxml_documents():
    from lxml import etree, html
    from lxml.builder import E

    page = html.document_fromstring("<title>x</title><p>Größe")
    with open("page.html", "wb") as file:
        file.write(html.tostring(page, encoding="utf-8", doctype="<!DOCTYPE html>", include_meta_content_type=True))
    with open("page.xhtml", "wb") as file:
        file.write(etree.tostring(page, xml_declaration=True, encoding="utf-8"))
    etree.ElementTree(E.data(E.object(onset="1.5"), E.script("a name"), E.embed(), E.base(href="x"))).write(
        "data.xml", xml_declaration=True, encoding="ISO-8859-1"
    )
    style = etree.fromstring(
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"/></xsl:stylesheet>'
    )
    etree.ElementTree(style).write("sheet.xsl")
    etree.ElementTree(E.annotation(E.object(E.name("dog"), E.bndbox(E.xmin("1"))))).write("annotation.xml", pretty_print=True)
    root = etree.Element("{urn:example}root", nsmap={None: "urn:example", "x": "urn:x"})
    etree.SubElement(root, "{urn:x}object", onload="never")
    etree.ElementTree(root).write("namespaces.xml", xml_declaration=True, encoding="utf-8")
    svg = etree.fromstring('<svg xmlns="http://www.w3.org/2000/svg"><metadata/><text font-family="Arial">é</text></svg>')
    etree.ElementTree(svg).write("pretty.svg", pretty_print=True, xml_declaration=True, encoding="utf-8", doctype='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">')


@makes("jinja2 and markdown", kept="report.html notes.html email.html")
def written_pages():
    import markdown
    from jinja2 import Template

    with open("report.html", "w") as file:
        file.write(
            Template(
                "<!DOCTYPE html><html><head><meta http-equiv='refresh' content='600'><base target='_blank'>"
                "<script>window.rows = {{ rows }}</script></head><body onload='draw()'><canvas></canvas>"
                "<iframe srcdoc='<p>inner</p>'></iframe></body></html>"
            ).render(rows=[1, 2, 3])
        )
    with open("notes.html", "w") as file:
        file.write(markdown.markdown("# Title\n\n<details>more</details>\n\n`code`", extensions=["extra"]))
    with open("email.html", "w", encoding="cp1252") as file:
        file.write("<html><head><meta charset=windows-1252></head><body>Größe €</body></html>")


@makes("beautifulsoup4", kept="soup.html")
def soup_pages():
    from bs4 import BeautifulSoup

    with open("soup.html", "w") as file:
        file.write(BeautifulSoup("<form action=/x><input onfocus=y()>ü</form>", "html.parser").prettify())


@makes("rich", kept="console.html console.svg console.txt")
def rich_pages():
    import io

    from rich.console import Console
    from rich.table import Table

    console = Console(record=True, file=io.StringIO(), width=40)
    table = Table("a", "b")
    table.add_row("1", "ü")
    console.print(table)
    console.save_html("console.html", clear=False)
    console.save_svg("console.svg", clear=False)
    console.save_text("console.txt")
