import json
import textwrap

from .registry import makes


def write(**files: str):
    for name, text in files.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text).lstrip("\n"))


sources = {
    "script.py": "#!/usr/bin/env python3\nprint('größe')\n",
    "run.sh": "#!/bin/sh\nset -e\necho done\n",
    "app.js": "export const f = () => document.write('<script>')\n",
    "app.mjs": "import './x.js'\n",
    "types.ts": "export type A = { readonly a: number }\n",
    "App.tsx": "export const App = () => <object data='x' onLoad={go}/>\n",
    "App.jsx": "export default () => <iframe src='/x'/>\n",
    "query.sql": "SELECT * FROM t WHERE a <> 'x';\n",
    "style.css": "@import url('x.css'); a { color: red }\n",
    "style.scss": "$a: 1px; b { margin: $a }\n",
    "Main.java": "class Main { public static void main(String[] a) {} }\n",
    "main.go": "package main\nfunc main() {}\n",
    "main.rs": "fn main() {}\n",
    "main.c": "#include <stdio.h>\nint main(void) { return 0; }\n",
    "main.cpp": "#include <vector>\n",
    "main.h": "#pragma once\n",
    "Program.cs": "class P {}\n",
    "app.rb": "#!/usr/bin/env ruby\nputs 1\n",
    "index.php": "<?php echo 1; ?>\n",
    "plot.R": "plot(1:10)\n",
    "app.kt": "fun main() {}\n",
    "app.swift": "print(1)\n",
    "app.lua": "print(1)\n",
    "app.pl": "#!/usr/bin/perl\nprint 1;\n",
    "Model.jl": "println(1)\n",
    "Main.hs": "main = pure ()\n",
    "app.vue": "<template><div/></template><script>export default {}</script>\n",
    "api.proto": 'syntax = "proto3";\n',
    "schema.graphql": "type Query { a: Int }\n",
    "main.tf": 'resource "a" "b" {}\n',
}

configurations = {
    "settings.ini": "[a]\nb = 1\n",
    "setup.cfg": "[metadata]\nname = x\n",
    "nginx.conf": "server { listen 80; }\n",
    "app.properties": "a=b\n",
    "changes.diff": "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n",
    "fix.patch": "--- a\n+++ b\n",
    "thesis.tex": "\\documentclass{article}\\begin{document}x\\end{document}\n",
    "refs.bib": "@book{a, title={b}}\n",
    "index.rst": "Title\n=====\n",
    "guide.adoc": "= Title\n",
    "notes.org": "* Title\n",
    "letter.rtf": "{\\rtf1\\ansi Gr\\'f6\\'dfe}\n",
    "de.po": 'msgid "a"\nmsgstr "b"\n',
    "genes.fasta": ">a\nACGT\n",
    "reads.fastq": "@a\nACGT\n+\nIIII\n",
    "molecule.pdb": "HEADER    X\nEND\n",
}


@makes("Python's open", kept=" ".join(sources))
def source_files():
    write(**sources)


@makes("Python's open", kept=" ".join(configurations))
def configuration_files():
    write(**configurations)


@makes("Python's open", kept="Makefile README LICENSE Dockerfile CHANGELOG Gemfile requirements.txt")
def names_without_extension():
    write(
        Makefile="all:\n\techo done\n",
        README="A project.\n",
        LICENSE="Copyright\n",
        Dockerfile="FROM scratch\n",
        CHANGELOG="1.0\n",
        Gemfile="source 'x'\n",
        **{"requirements.txt": "numpy==1.0\n"},
    )


@makes("Python's open", kept="empty.txt empty.csv crlf.csv cr.txt bom.json form-feed.txt long-line.txt ansi.log nel.txt")
def unusual_texts():
    rows = {
        "empty.txt": b"",
        "empty.csv": b"",
        "crlf.csv": b"a,b\r\n1,2\r\n",
        "cr.txt": b"a\rb\r",
        "bom.json": b"\xef\xbb\xbf{}",
        "form-feed.txt": b"page\x0cpage\x0b\x1a",
        "long-line.txt": b"x" * 50_000,
        "ansi.log": b"\x1b[1;31mred\x1b[0m \x08\x07\r\n",
        "nel.txt": "a\u0085b\u2028c".encode(),
    }
    for name, content in rows.items():
        with open(name, "wb") as file:
            file.write(content)


@makes("PyYAML, tomli-w and json", kept="data.yaml data.yml data.toml data.json data.json5 data.geojson deep.json")
def structured_texts():
    import geojson
    import tomli_w
    import yaml

    for name in ("data.yaml", "data.yml"):
        with open(name, "w") as file:
            yaml.safe_dump({"a": ["ü", 1, None]}, file, allow_unicode=True)
    with open("data.toml", "wb") as file:
        tomli_w.dump({"a": {"b": [1, 2]}}, file)
    with open("data.json", "w") as file:
        json.dump({"<script>": "alert(1)", "on": "load"}, file)
    with open("data.json5", "w") as file:
        file.write("{a: 1, /* why */}\n")
    with open("data.geojson", "w") as file:
        geojson.dump(geojson.Feature(geometry=geojson.Point((8.5, 47.4))), file)
    with open("deep.json", "w") as file:
        file.write("[" * 200 + "]" * 200)


@makes("icalendar and vobject", kept="event.ics person.vcf")
def calendars():
    import datetime

    import icalendar
    import vobject

    calendar = icalendar.Calendar()
    event = icalendar.Event()
    event.add("summary", "Sitzung, größer")
    event.add("dtstart", datetime.datetime(2026, 1, 1))
    calendar.add_component(event)
    with open("event.ics", "wb") as file:
        file.write(calendar.to_ical())
    card = vobject.vCard()
    card.add("n").value = vobject.vcard.Name("Müller", "Ann")
    card.add("fn").value = "Ann Müller"
    with open("person.vcf", "w") as file:
        file.write(card.serialize())


@makes("email", kept="message.eml")
def messages():
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "Größe"
    message.set_content("Hello")
    message.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="a.csv")
    with open("message.eml", "wb") as file:
        file.write(bytes(message))


@makes("gpxpy and simplekml", kept="track.gpx places.kml places.kmz")
def tracks():
    import gpxpy.gpx
    import simplekml

    track = gpxpy.gpx.GPX()
    track.waypoints.append(gpxpy.gpx.GPXWaypoint(47.4, 8.5, name="Zürich"))
    with open("track.gpx", "w") as file:
        file.write(track.to_xml())
    places = simplekml.Kml()
    places.newpoint(name="Zürich", coords=[(8.5, 47.4)])
    places.save("places.kml")
    places.savekmz("places.kmz")


@makes("Bio", kept="sequences.fa tree.nwk record.gb")
def sequences():
    from Bio import Phylo, SeqIO
    from Bio.Seq import Seq
    from Bio.SeqRecord import SeqRecord

    record = SeqRecord(Seq("ACGT"), id="a", annotations={"molecule_type": "DNA"})
    SeqIO.write([record], "sequences.fa", "fasta")
    SeqIO.write([record], "record.gb", "genbank")
    import io

    Phylo.write(Phylo.read(io.StringIO("(a,b);"), "newick"), "tree.nwk", "newick")
