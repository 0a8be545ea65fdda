"""`make.py FOLDER`: makes the corpus beneath a folder, and prints its table, a line for each file."""

import contextlib
import importlib
import json
import os
import re
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from makers.registry import Maker, makers

modules = ("tables", "documents", "images", "recordings", "pages", "archives", "texts", "refused")


def folder_of(maker: Maker) -> str:
    return re.sub(r"[^a-z0-9]+", "-", maker.make.__name__)


def rows_of(index: int, root: str) -> list[dict[str, str]]:
    maker = makers[index]
    folder = Path(root, folder_of(maker))
    folder.mkdir(parents=True)
    with contextlib.chdir(folder), warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        maker.make()
    promised = sorted([*maker.kept, *maker.refused])
    made = sorted(path.name for path in folder.iterdir())
    if made != promised:
        raise SystemExit(f"{folder.name}: made {made}, not {promised}")
    return [
        {"file": f"{folder.name}/{name}", "by": maker.library, "gate": "refuses" if name in maker.refused else "keeps"}
        | ({"since": maker.refused[name]} if name in maker.refused else {})
        for name in promised
    ]


def main(root: str):
    os.environ.setdefault("MPLCONFIGDIR", str(Path(root, "..", "matplotlib").resolve()))
    for module in modules:
        importlib.import_module(f"makers.{module}")
    root = str(Path(root).resolve())
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        for rows in pool.map(rows_of, range(len(makers)), [root] * len(makers)):
            for row in rows:
                print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
