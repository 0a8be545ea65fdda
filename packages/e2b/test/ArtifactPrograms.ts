/** What programs in the sandbox make their files with: whole ones of most kinds, for others to be made hostile. */
export const prelude = String.raw`
import os, socket, struct, sys, time, zipfile, zlib
os.makedirs("output", exist_ok=True)
os.chdir("output")

def put(name, content):
    folder = os.path.dirname(name)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(name, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(*more):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")

GIF = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300" + "01" * 64 + "ffc0000b080001000101011100ffc40014000100000000000000000000000000000009ffc40014100100000000000000000000000000000000ffda0008010100003f0054ffd9")
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
MP4 = struct.pack(">I", 24) + b"ftypisom\0\0\x02\0isomiso2" + struct.pack(">I", 8) + b"mdat"
ELF = open("/proc/self/exe", "rb").read(4096)
SVG = '<svg xmlns="http://www.w3.org/2000/svg"%s><circle r="1"/>%s</svg>'

def npy(descr, data):
    header = ("{'descr': %s, 'fortran_order': False, 'shape': (2,), }" % descr).ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + data

def docx(name, *more):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("word/document.xml", "<document/>")
        for path, content in more:
            file.writestr(path, content)

# Waits until somebody holds the file open.
def when_opened(name):
    path = os.path.abspath(name)
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if int(pid) != os.getpid() and path in (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")):
                    return
            except OSError:
                pass

# Goes on in the background when the program has ended.
def left_running(work):
    if os.fork() == 0:
        os.setsid()
        for fd in range(3):
            os.close(fd)
        work()
        os._exit(0)
`

/** One program, what is refused of its files, and what is kept. */
export interface HostileCase {
  readonly name: string
  /** Python, in the output directory. */
  readonly program: string
  /** Shown names and flaws. */
  readonly rejected?: Readonly<Record<string, string>>
  /** How many are refused for each flaw, where those that are named are not all. */
  readonly counts?: Readonly<Record<string, number>>
  readonly kept?: ReadonlyArray<string>
  readonly limits?: { readonly maxArtifactSizeMB?: number; readonly maxArtifactsPerExecution?: number }
}

const mismatch = "its content is not what its name says"
const notAllowed = (extension: string, advice = "if it is text, call it .txt") =>
  `its extension .${extension} is not allowed; ${advice}`
const entities = "it declares entities that are long, or refer to files or to other entities"
const link = "it is a symbolic link; copy the file itself"
const hardLink = "it has more than one hard link; copy it"
const unreadable = "it cannot be opened; make it readable"
const nameFlaw = (flaw: string) => `its name is not allowed: ${flaw}`

/** `CANARY` stands for the path of a file outside the sandbox. */
export const hostileCases: ReadonlyArray<HostileCase> = [
  // Links, and what is no file.
  {
    name: "a symbolic link to a file of the system",
    program: 'os.symlink("/etc/passwd", "a.txt")',
    rejected: { "a.txt": link }
  },
  {
    name: "a symbolic link to a file outside the sandbox",
    program: 'os.symlink("CANARY", "a.txt")',
    rejected: { "a.txt": link }
  },
  {
    name: "a symbolic link up and out",
    program: 'os.symlink("../../../../../../CANARY", "a.txt")',
    rejected: { "a.txt": link }
  },
  {
    name: "a symbolic link to an artifact",
    program: 'put("a.txt", "a"); os.symlink("a.txt", "b.txt")',
    kept: ["a.txt"],
    rejected: { "b.txt": link }
  },
  {
    name: "a symbolic link to a directory",
    program: 'os.symlink("/etc", "etc")',
    rejected: { etc: link }
  },
  {
    name: "a symbolic link to nothing",
    program: 'os.symlink("nothing.txt", "a.txt")',
    rejected: { "a.txt": link }
  },
  {
    name: "symbolic links in a circle",
    program: 'os.symlink("b.txt", "a.txt"); os.symlink("a.txt", "b.txt"); os.symlink(".", "c")',
    rejected: {
      "a.txt": link,
      "b.txt": link,
      c: link
    }
  },
  {
    name: "a symbolic link to another process's memory",
    program: 'os.symlink("/proc/1/environ", "a.txt")',
    rejected: { "a.txt": link }
  },
  {
    name: "a symbolic link in the place of the output directory",
    program: 'os.chdir(".."); os.rmdir("output"); os.symlink("/etc", "output")',
    rejected: { output: "the output directory is not a directory" }
  },
  {
    name: "a file in the place of the output directory",
    program: 'os.chdir(".."); os.rmdir("output"); put("output", "a")',
    rejected: { output: "the output directory is not a directory" }
  },
  { name: "no output directory", program: 'os.chdir(".."); os.rmdir("output")' },
  {
    name: "a hard link to a file elsewhere",
    program: 'put("../secret.txt", "a"); os.link("../secret.txt", "a.txt")',
    rejected: { "a.txt": hardLink }
  },
  {
    name: "hard links to each other",
    program: 'put("a.txt", "a"); os.link("a.txt", "b.txt")',
    rejected: { "a.txt": hardLink, "b.txt": hardLink }
  },
  { name: "a named pipe", program: 'os.mkfifo("a.txt")', rejected: { "a.txt": "it is a named pipe" } },
  {
    name: "a socket",
    program: 's = socket.socket(socket.AF_UNIX); s.bind("a.txt")',
    rejected: { "a.txt": "it is a socket" }
  },
  {
    name: "a file that nobody may read",
    program: 'put("a.txt", "a"); os.chmod("a.txt", 0)',
    rejected: { "a.txt": unreadable }
  },
  {
    name: "an output directory that nobody may read",
    program: 'put("a.txt", "a"); os.chmod(".", 0)',
    rejected: { output: unreadable }
  },
  {
    name: "a home that nobody may enter",
    program: 'put("a.txt", "a"); os.chmod("..", 0)',
    rejected: { output: "a permission is missing in the sandbox" }
  },
  {
    name: "an output directory that is a link further up",
    program:
      'os.chdir(".."); os.rename("output", "real"); os.mkdir("output"); os.rename("output", "other"); os.symlink("real", "output"); put("real/a.txt", "a")',
    rejected: { output: "the output directory is not a directory" }
  },
  {
    name: "a directory that nobody may read",
    program: 'put("d/a.txt", "a"); os.chmod("d", 0)',
    rejected: { d: unreadable }
  },
  // Sizes and numbers.
  {
    name: "a file that is a byte too large",
    program: 'put("a.txt", "a" * (1024 * 1024 + 1)); put("b.txt", "b" * 1024 * 1024)',
    limits: { maxArtifactSizeMB: 1 },
    kept: ["b.txt"],
    rejected: { "a.txt": "it is larger than 1 MB; split or compress it" }
  },
  {
    name: "a sparse giant",
    program: 'put("a.txt", "a"); os.truncate("a.txt", 1 << 40)',
    rejected: { "a.txt": "it is larger than 100 MB; split or compress it" }
  },
  {
    name: "a file of holes",
    program: 'put("a.txt", "a"); os.truncate("a.txt", 90 << 20)',
    rejected: { "a.txt": "it is mostly holes" }
  },
  {
    name: "one file more than there may be",
    program: 'for n in range(4): put(f"{n}.txt", "a")',
    limits: { maxArtifactsPerExecution: 3 },
    kept: ["0.txt", "1.txt", "2.txt"],
    rejected: { "3.txt": "there are more than 3 artifacts" }
  },
  {
    name: "a hundred thousand files",
    program: 'os.close(os.open("a", os.O_CREAT))\nfor n in range(100000): os.mknod(f"{n}.bin")',
    counts: {
      [notAllowed("bin", "keep the source instead of the program")]: 1000,
      "there are more than 1000 entries, and the rest were not looked at": 99_001
    }
  },
  {
    name: "a flood beside what a program meant to leave",
    program: `for n in range(3000): os.close(os.open(f"{n}.txt", os.O_CREAT))
for n in range(50):
    for m in range(30): put(f"node_modules/p{n}/{m}.md", "a")
for n in range(2000): put(f"frames/{n}.txt", "a")
put("report.csv", "a"); put("data/2024/may/sums.csv", "a"); put("data/2024/may/notes.md", "a")`,
    limits: { maxArtifactsPerExecution: 3 },
    kept: ["data/2024/may/notes.md", "data/2024/may/sums.csv", "report.csv"],
    counts: {
      "there are more than 3 artifacts": 997,
      "there are more than 1000 entries, and the rest were not looked at": 5503
    }
  },
  {
    name: "more files of one kind than are kept, the newest last",
    program: `for n in range(30): put(f"{n}.txt", "a"); os.utime(f"{n}.txt", (0, 100 - n))
put("d/z.csv", "a")`,
    limits: { maxArtifactsPerExecution: 3 },
    kept: ["28.txt", "29.txt", "d/z.csv"],
    counts: { "there are more than 3 artifacts": 28 }
  },
  {
    name: "directories without end",
    program: 'path = "/".join("d" * 12)\nput(path + "/a.txt", "a"); put("d/b.txt", "b")',
    kept: ["d/b.txt"],
    rejected: { "d/d/d/d/d/d/d/d": "it is a directory more than 8 levels deep; put its files further up" }
  },
  // Files that will not keep still.
  {
    name: "a file that grows while it is read",
    program:
      'put("a.txt", "a")\ndef grow():\n    with open("a.txt", "ab", 0) as file:\n        while True: file.write(b"a")\nleft_running(grow)\ntime.sleep(0.05)',
    rejected: { "a.txt": "it grew while it was read" }
  },
  {
    name: "a file that becomes a link when it has been listed",
    program:
      'put("a.txt", "what was listed")\ndef swap():\n    when_opened("a.txt")\n    os.symlink("/etc/passwd", "b"); os.rename("b", "a.txt")\nleft_running(swap)',
    kept: ["a.txt"]
  },
  {
    name: "a directory that becomes a link when it has been listed",
    program:
      'put("d/a.txt", "what was listed")\ndef swap():\n    when_opened("d/a.txt")\n    os.rename("d", "../d"); os.symlink("/etc", "d")\nleft_running(swap)',
    kept: ["d/a.txt"]
  },
  // Names.
  {
    name: "a name with a newline",
    program: 'put("a\\nfile 3 1 8 5 612e747874.txt", "a")',
    rejected: { "a\\u{a}file 3 1 8 5 612e747874.txt": nameFlaw("it has control characters") }
  },
  {
    name: "a name that controls a terminal",
    program: 'put("\\x1b[2Ja.txt", "a")',
    rejected: { "\\u{1b}[2Ja.txt": nameFlaw("it has control characters") }
  },
  {
    name: "a name that is turned around",
    program: 'put("a\\u202etxt.exe.txt", "a")',
    rejected: { "a\\u{202e}txt.exe.txt": nameFlaw("it has characters that change the direction of text") }
  },
  {
    name: "a name that is not UTF-8",
    program: 'put(b"a\\xff.txt".decode("utf-8", "surrogateescape"), "a")',
    rejected: { "a\ufffd.txt": nameFlaw("it is not UTF-8") }
  },
  {
    name: "a name in another normal form",
    program: 'put("e\\u0301.txt", "a"); put("o\\u0308/a.txt", "a")',
    kept: ["é.txt", "ö/a.txt"]
  },
  {
    name: "names that are the same once they are composed",
    program: 'put("e\\u0301.txt", "a"); put("\\u00e9.txt", "b"); put("\\u00e9 (2).txt", "c")',
    kept: ["é (2).txt", "é (3).txt", "é.txt"]
  },
  {
    name: "a path of four kilobytes",
    program: 'put("/".join(["d" * 250] * 7) + "/a.txt", "a")\nput("a" * 251 + ".txt", "a")',
    kept: [`${"a".repeat(251)}.txt`],
    rejected: { [`${"d".repeat(120)}…`]: nameFlaw("it is too long") }
  },
  {
    name: "a name that climbs",
    program: 'put("..\\\\..\\\\a.txt", "a"); put("...txt", "a")',
    rejected: { "..\\\\..\\\\a.txt": nameFlaw("it has a backslash"), "...txt": nameFlaw("it is hidden") }
  },
  {
    name: "a hidden file",
    program: 'put(".bashrc.txt", "a"); put(".git/a.txt", "a")',
    rejected: { ".bashrc.txt": nameFlaw("it is hidden"), ".git/a.txt": nameFlaw("it is hidden") }
  },
  {
    name: "names that a shell would act on",
    program: 'put("$(touch pwned).txt", "a"); put("-rf .txt", "a"); put("; reboot;.txt", "a")',
    kept: ["$(touch pwned).txt", "-rf .txt", "; reboot;.txt"]
  },
  {
    name: "names without a known extension",
    program:
      'put("a", "a"); put("a.exe", "a"); put("a.txt.hta", "a"); put("constructor", ELF); put("a.constructor", "a")',
    kept: ["a"],
    rejected: {
      "a.exe": notAllowed("exe", "keep the source instead of the program"),
      "a.txt.hta": notAllowed("hta"),
      constructor: `${mismatch}: it looks like elf`,
      "a.constructor": notAllowed("constructor")
    }
  },
  // Contents.
  {
    name: "an ELF under another name",
    program: 'put("a.png", ELF); put("a.txt", ELF); put("a.pdf", ELF)',
    rejected: {
      "a.png": `${mismatch}: it looks like elf`,
      "a.txt": `${mismatch}: it looks like elf`,
      "a.pdf": `${mismatch}: it looks like elf`
    }
  },
  {
    name: "a script in an image's clothes",
    program: 'put("a.png", "#!/bin/sh\\nid\\n"); put("a.sh", "#!/bin/sh\\nid\\n")',
    kept: ["a.sh"],
    rejected: { "a.png": mismatch }
  },
  {
    name: "a picture with a program behind it",
    program:
      'put("a.gif", GIF + ELF); put("a.png", png() + b"<?php system($_GET[0]); ?>"); put("ok.gif", GIF); put("ok.png", png())',
    kept: ["ok.gif", "ok.png"],
    rejected: { "a.gif": "data after its end", "a.png": "data after its end" }
  },
  {
    name: "a picture with a script in it",
    program: 'put("a.png", png(chunk(b"tEXt", b"Comment\\0<?php system($_GET[0]); ?>")))',
    rejected: { "a.png": "it has a script in it" }
  },
  {
    name: "a picture that is an archive too",
    program:
      'put("a.jpg", JPEG); zipfile.ZipFile("a.jpg", "a").writestr("a.class", "a"); put("b.mp4", MP4); zipfile.ZipFile("b.mp4", "a").writestr("a", "a"); put("ok.jpg", JPEG)',
    kept: ["ok.jpg"],
    rejected: { "a.jpg": "data after its end", "b.mp4": "it has parts that are not of an MP4" }
  },
  {
    name: "half a picture",
    program: 'put("a.png", png()[:40]); put("b.jpg", JPEG[:-2]); put("c.png", b"")',
    rejected: { "a.png": "it is cut short", "b.jpg": "it is cut short", "c.png": "it is empty" }
  },
  {
    name: "a zip bomb",
    program: 'docx("a.docx", ("word/media/a.xml", b"\\0" * (20 << 20))); docx("ok.docx")',
    kept: ["ok.docx"],
    rejected: { "a.docx": "it unpacks to more than 10 MB and 100 times its size" }
  },
  {
    name: "what is called an archive in an archive",
    program: 'docx("a.docx", ("word/b.zip", "a"))',
    rejected: { "a.docx": "it has word/b.zip in it: it is cut short" }
  },
  {
    name: "macros",
    program: 'docx("a.docx", ("word/vbaProject.bin", "a"))',
    rejected: { "a.docx": "it has word/vbaProject.bin in it: it has a program or macros in it" }
  },
  {
    name: "an archive that writes elsewhere",
    program: 'docx("a.docx", ("../../etc/cron.d/a", "a")); docx("b.docx", ("/etc/passwd", "a"))',
    rejected: {
      "a.docx": "it has an entry with the hostile name ../../etc/cron.d/a: it has '.' or '..' in it",
      "b.docx": "it has an entry with the hostile name /etc/passwd: it is absolute"
    }
  },
  {
    name: "an archive that is no document",
    program:
      'zipfile.ZipFile("a.zip", "w").writestr("a", "a"); zipfile.ZipFile("a.docx", "w").writestr("a", "a")',
    kept: ["a.zip"],
    rejected: { "a.docx": `${mismatch}: it looks like zip` }
  },
  {
    name: "an SVG with a script, which no browser runs as it is sent",
    program:
      'put("a.svg", SVG % ("", "<script>alert(1)</script>")); put("b.svg", SVG % (\' onload="alert(1)"\', ""))',
    kept: ["a.svg", "b.svg"]
  },
  {
    name: "an HTML page with a script, likewise",
    program: 'put("a.html", "<script src=//x></script>"); put("b.html", "<img src=x onerror=alert(1)>")',
    kept: ["a.html", "b.html"]
  },
  {
    name: "data in an encoding that hides what it declares",
    program:
      'put("a.xml", "<?xml version=\'1.0\' encoding=\'utf-7\'?>+ADwAIQ-DOCTYPE"); put("b.txt", "a".encode("utf-16")); put("c.csv", "\u00e9".encode("latin-1"))',
    kept: ["b.txt", "c.csv"],
    rejected: { "a.xml": "it asks for an encoding that is not known" }
  },
  {
    name: "entities without end",
    program:
      'put("a.xml", "<!DOCTYPE a [<!ENTITY b \'bb\'><!ENTITY c \'&b;&b;\'>]><a>&c;</a>"); put("b.xml", "<!DOCTYPE a [<!ENTITY b SYSTEM \'/etc/passwd\'>]><a>&b;</a>")',
    rejected: { "a.xml": entities, "b.xml": entities }
  },
  {
    name: "a PDF that acts, which is its reader's business",
    program:
      'put("a.pdf", PDF.replace(b"/Pages", b"/OpenAction << /S /J#61vaScript >> /Pages")); put("b.pdf", PDF.replace(b"/Pages", b"/A << /S /Launch >> /Pages")); put("ok.pdf", PDF)',
    kept: ["a.pdf", "b.pdf", "ok.pdf"]
  },
  {
    name: "a PDF with something behind it",
    program: 'put("a.pdf", PDF + ELF); put("b.pdf", b"junk" + PDF)',
    rejected: { "a.pdf": "data after its end", "b.pdf": mismatch }
  },
  {
    name: "an array that runs when it is loaded",
    program:
      'put("a.npy", npy("\'|O\'", b"cos\\nsystem\\n(S\'id\'\\ntR.")); put("ok.npy", npy("\'<f8\'", b"\\0" * 16))',
    kept: ["ok.npy"],
    rejected: { "a.npy": "it holds pickled objects" }
  },
  // The place where it is done.
  {
    name: "a home that answers in the lister's place",
    program:
      'for name in (".profile", ".bash_profile", ".bashrc", ".bash_login"): put("../" + name, "echo pid 1; echo end 0; exit 0")\nput("a.txt", "a")',
    kept: ["a.txt"]
  }
]
