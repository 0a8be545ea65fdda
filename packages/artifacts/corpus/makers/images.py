import numpy

from .registry import makes


@makes("matplotlib", kept="plot.png plot.svg plot.pdf plot.eps plot.ps plot.jpg plot.tiff plot.webp text.svg animation.gif page.html")
def matplotlib_plots():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import animation, pyplot

    figure, axes = pyplot.subplots(figsize=(1, 1), dpi=50)
    (line,) = axes.plot([1, 2, 3])
    axes.set_title("Größe")
    for ending in ("png", "svg", "pdf", "eps", "ps", "jpg", "tiff", "webp"):
        figure.savefig(f"plot.{ending}")
    with pyplot.rc_context({"svg.fonttype": "none"}):
        figure.savefig("text.svg")
    film = animation.FuncAnimation(figure, lambda n: line.set_data([0, 1], [n, 1]), frames=3)
    film.save("animation.gif", writer="pillow")
    with open("page.html", "w") as file:
        file.write(film.to_jshtml())


@makes("seaborn", kept="heat.png heat.svg")
def seaborn_plots():
    import matplotlib

    matplotlib.use("Agg")
    import seaborn

    axes = seaborn.heatmap(numpy.eye(3))
    axes.figure.set_size_inches(1, 1)
    for ending in ("png", "svg"):
        axes.figure.savefig(f"heat.{ending}", dpi=40)


@makes(
    "Pillow",
    kept="rgb.png palette.png rgba.png gray16.png animated.png photo.jpg progressive.jpg cmyk.jpg exif.jpg still.gif moving.gif "
    "lossless.webp moving.webp image.bmp image.tiff pages.tif lzw.tiff icon.ico image.avif image.jp2 image.ppm scan.pdf",
    refused={"image.tga": "a format without a mark of its own"},
)
def pillow_images():
    from PIL import Image

    image = Image.fromarray((numpy.arange(24 * 24 * 3) % 256).astype("uint8").reshape(24, 24, 3))
    frames = [image.rotate(90 * n) for n in range(3)]
    image.save("rgb.png", dpi=(300, 300))
    image.convert("P").save("palette.png", transparency=0)
    image.convert("RGBA").save("rgba.png", optimize=True)
    Image.fromarray(numpy.arange(64, dtype="uint16").reshape(8, 8)).save("gray16.png")
    image.save("animated.png", save_all=True, append_images=frames)
    image.save("photo.jpg", quality=90)
    image.save("progressive.jpg", progressive=True, optimize=True)
    image.convert("CMYK").save("cmyk.jpg")
    exif = image.getexif()
    exif[0x010E] = "A description with <angle> brackets & a script tag's name: script"
    image.save("exif.jpg", exif=exif, comment=b"a comment")
    image.save("still.gif")
    image.save("moving.gif", save_all=True, append_images=frames, loop=0)
    image.save("lossless.webp", lossless=True)
    image.save("moving.webp", save_all=True, append_images=frames)
    image.save("image.bmp")
    image.save("image.tiff")
    image.save("pages.tif", save_all=True, append_images=frames)
    image.save("lzw.tiff", compression="tiff_lzw")
    image.save("icon.ico", sizes=[(16, 16)])
    image.save("image.avif")
    image.save("image.jp2")
    image.save("image.ppm")
    image.save("image.tga")
    image.save("scan.pdf", save_all=True, append_images=frames)


@makes("tifffile", kept="stack.tif big.tif image.ome.tif")
def tifffile_images():
    import tifffile

    stack = numpy.zeros((3, 8, 8), "uint16")
    tifffile.imwrite("stack.tif", stack, imagej=True)
    tifffile.imwrite("big.tif", stack, bigtiff=True)
    tifffile.imwrite("image.ome.tif", stack, ome=True)


@makes("svgwrite", kept="drawing.svg linked.svg animated.svg")
def svgwrite_drawings():
    import svgwrite

    drawing = svgwrite.Drawing("drawing.svg")
    drawing.add(drawing.rect((0, 0), (10, 10), fill="url(#g)"))
    drawing.embed_stylesheet("text { font-family: Helvetica }")
    drawing.save()
    drawing = svgwrite.Drawing("linked.svg")
    drawing.add(drawing.add(drawing.a("https://example.org/")).add(drawing.text("go", (0, 10))))
    drawing.save()
    drawing = svgwrite.Drawing("animated.svg")
    drawing.add(drawing.circle((5, 5), 3)).add(drawing.animate("r", values="1;3", dur="1s"))
    drawing.save()


@makes("networkx", kept="graph.graphml graph.gexf graph.gml")
def networkx_graphs():
    import networkx

    graph = networkx.path_graph(3)
    networkx.write_graphml(graph, "graph.graphml")
    networkx.write_gexf(graph, "graph.gexf")
    networkx.write_gml(graph, "graph.gml")


@makes("pydot", kept="graph.dot")
def pydot_graphs():
    import pydot

    graph = pydot.Dot("g")
    graph.add_edge(pydot.Edge("a", "b"))
    graph.write_raw("graph.dot")


@makes("qrcode and python-barcode", kept="qr.png qr.svg barcode.svg")
def codes():
    import barcode
    import qrcode
    import qrcode.image.svg

    qrcode.make("https://example.org/").save("qr.png")
    qrcode.make("x", image_factory=qrcode.image.svg.SvgPathImage).save("qr.svg")
    barcode.get("ean13", "123456789102").save("barcode")


@makes("ezdxf and trimesh", kept="plan.dxf cube.stl cube.obj cube.ply cube.glb ascii.stl")
def shapes():
    import ezdxf
    import trimesh

    plan = ezdxf.new()
    plan.modelspace().add_line((0, 0), (1, 1))
    plan.saveas("plan.dxf")
    cube = trimesh.creation.box()
    for ending in ("stl", "obj", "ply", "glb"):
        cube.export(f"cube.{ending}")
    cube.export("ascii.stl", file_type="stl_ascii")
